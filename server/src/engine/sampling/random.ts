/** sfc32: a small, fast generator with 128 bits of state, one per request. The same seed gives the same numbers. */
export type Random = () => number;

const warmUp = 12;

export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < warmUp; i++) next();
  return next;
}

export const randomSeed = (): number => Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
