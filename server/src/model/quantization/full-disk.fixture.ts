/** Quantises argv[2] to 8 bits into the cache argv[3] and prints what came of it; runs on a file system of its own. */
import { readdir } from 'node:fs/promises';
import { openModelFolder } from '../folder.ts';
import { quantizedWeights } from './cache.ts';

const [, , model = '', cache = ''] = process.argv;
const error = await quantizedWeights(await openModelFolder(model), 'int8', cache, 1).then(
  () => null,
  ({ code, message }: NodeJS.ErrnoException) => ({ code, message }),
);
process.stdout.write(JSON.stringify({ error, left: await readdir(cache) }));
