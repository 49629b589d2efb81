/** Numbers as people read them. Pure. */

/** 75 -> "1m15s" */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  const hours = Math.floor(whole / 3600);
  return hours < 48
    ? `${hours}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`
    : `${Math.round(hours / 24)}d`;
}

export const shortDigest = (digest: string): string => digest.replace('sha256:', '').slice(0, 12);
