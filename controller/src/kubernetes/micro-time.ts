/** Kubernetes' MicroTime, which refuses the milliseconds of an ISO string. */
export const microTime = (date: Date): string => date.toISOString().replace('Z', '000Z');
