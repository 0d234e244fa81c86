// What the cloud's own libraries, as the stock backend has them, send for the objects named on standard input.
const { S3Client, GetObjectCommand, ListObjectsV2Command } = require('@aws-sdk/client-s3');
const { CodeCommitClient, GetFileCommand } = require('@aws-sdk/client-codecommit');
const { BlobServiceClient, StorageSharedKeyCredential } = require('@azure/storage-blob');

const { keys, accountKey, key } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const sent = {};

function aws(name) {
  return {
    region: 'eu-west-1',
    credentials: keys,
    maxAttempts: 1,
    requestHandler: {
      handle: async request => {
        const query = new URLSearchParams(request.query).toString().replace(/\+/g, '%20');
        sent[name] = { method: request.method, host: request.hostname, path: request.path, query, headers: request.headers, body: request.body && Buffer.from(request.body).toString() };
        throw new Error('captured');
      },
    },
  };
}

const azure = {
  httpClient: {
    sendRequest: async request => {
      sent[new URL(request.url).searchParams.get('comp') ?? 'blob'] = { method: request.method, url: request.url, headers: request.headers.toJson() };
      throw new Error('captured');
    },
  },
  retryOptions: { maxTries: 1 },
};

async function main() {
  const ignore = error => process.stderr.write(`${error}\n`);
  await new S3Client(aws('object')).send(new GetObjectCommand({ Bucket: 'bucket', Key: key, IfNoneMatch: '"e1"' })).catch(ignore);
  await new S3Client(aws('objects')).send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: key })).catch(ignore);
  await new CodeCommitClient(aws('file')).send(new GetFileCommand({ repositoryName: 'r', filePath: key })).catch(ignore);
  const credential = new StorageSharedKeyCredential('acc', accountKey);
  const container = new BlobServiceClient('https://acc.blob.core.windows.net', credential, azure).getContainerClient('box');
  await container.getBlobClient(key).download(0, undefined, { conditions: { ifNoneMatch: '"e1"' } }).catch(ignore);
  await container.listBlobsFlat({ prefix: key }).next().catch(ignore);
  process.stdout.write(JSON.stringify(sent));
}

main();
