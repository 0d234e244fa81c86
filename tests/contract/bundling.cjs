// Reads {root, ours} from standard input: a file on disk, and the bundle that Understage made of it. Writes what the reference
// parser of the stock module makes of both when every reference is replaced by what it names.
const { $RefParser } = require('@apidevtools/json-schema-ref-parser');

const { root, ours } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));

async function main() {
  const meant = await $RefParser.dereference(root);
  process.stdout.write(JSON.stringify({ meant, ours: await $RefParser.dereference(ours) }));
}

main();
