/** Token ids without sense: no side can keep a prefix of one prompt for the next, or copy from it. */
export function randomPrompt(length: number, seed: number): number[] {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // Beyond the first hundred lie no control tokens; below 40,000 is in every vocabulary here.
    return 100 + Math.floor((state / 2 ** 32) * 39_900);
  });
}
