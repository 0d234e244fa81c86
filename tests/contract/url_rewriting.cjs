// What the stock integrations make of URLs: reads cases from standard input, writes their results. Run in the stock installation.
const { ConfigReader } = require('@backstage/config');
const integration = require('@backstage/integration');

const { config, cases } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const scm = integration.ScmIntegrations.fromConfig(new ConfigReader(config));

const FILES = {
  azure: url => integration.getAzureFileFetchUrl(url),
  bitbucketCloud: (url, of) => integration.getBitbucketCloudFileFetchUrl(url, of),
  bitbucketServer: (url, of) => integration.getBitbucketServerFileFetchUrl(url, of),
  gerrit: (url, of) => integration.getGerritFileContentsApiUrl(of, url),
  gitea: (url, of) => integration.getGiteaFileContentsUrl(of, url),
  github: (url, of) => integration.getGithubFileFetchUrl(url, of, { token: of.token, headers: {} }),
  harness: (url, of) => integration.getHarnessFileContentsUrl(of, url),
};

async function run({ url, relative }) {
  const found = scm.byUrl(url);
  const file =
    found.type === 'gitlab'
      ? await integration.getGitLabFileFetchUrl(url, found.config)
      : FILES[found.type](url, found.config);
  const resolved = Object.fromEntries(relative.map(each => [each, scm.resolveUrl({ url: each, base: url })]));
  return { type: found.type, file, edit: scm.resolveEditUrl(url), resolved };
}

Promise.all(cases.map(run)).then(results => process.stdout.write(JSON.stringify(results)));
