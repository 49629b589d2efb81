/** The numbered questions of a model's reply. Pure. */

/** `1.` `1)` `(1)` `1:` `#1` `Q1.` `Question 1:`, in bold or not, at the start of a line. */
const numbers =
  /^[ \t]*(?:[-*#>]+[ \t]*)?(?:\*\*)?(?:q(?:uestion)?[ \t]*)?[(#]?\d{1,2}[.):](?:\*\*)?[ \t]+/im;

/** A reply may wrap a question over lines, make it bold, or answer it in the same breath. */
function tidy(item: string): string {
  const paragraph = (item.split(/\n\s*\n/)[0] ?? '').replaceAll(/\s+/g, ' ').replaceAll('**', '').trim();
  const question = paragraph.replace(/^(?:\d{1,2}[.):]\s+)+/, ''); // some number twice: "1. 3. Who ...?"
  const end = question.lastIndexOf('?');
  return end < 0 ? question : question.slice(0, end + 1);
}

/** `cut`: the reply ended at its token limit, so that its last question may lack its end. */
export function parseQuestions(reply: string, cut = false): string[] {
  const items = reply
    .split(new RegExp(numbers, 'gim'))
    .slice(1)
    .map(tidy)
    .filter((item) => /[\p{L}\p{N}]{2}/u.test(item));
  const asked = items.filter((item) => item.endsWith('?'));
  if (asked.length > 0) return asked;
  return cut && items.length > 1 ? items.slice(0, -1) : items;
}
