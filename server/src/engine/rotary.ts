/** Tables of the rotary embedding: cos and sin of position x frequency, [position, headDim / 2]. */

/**
 * Every step is rounded to float32 as the trainer's framework does it: far from the start the angle's rounding is
 * larger than float32's resolution of its cosine, and the weights were trained with it.
 */
export function fillRotaryTables(cos: Float32Array, sin: Float32Array, headDim: number, theta: number): void {
  const half = headDim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => {
    const power = Math.fround(theta ** Math.fround((2 * i) / headDim));
    return 1 / power;
  });
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround(Math.floor(i / half) * (frequencies[i % half] ?? 0));
    cos[i] = Math.cos(angle);
    sin[i] = Math.sin(angle);
  }
}
