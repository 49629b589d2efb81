/** A prompt in the pieces in which both sides here read it. */
const chunkTokens = 512;

export const chunksOf = (ids) =>
  Array.from({ length: Math.ceil(ids.length / chunkTokens) }, (_, i) =>
    ids.slice(i * chunkTokens, (i + 1) * chunkTokens),
  );
