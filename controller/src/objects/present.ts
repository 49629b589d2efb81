/** What a schema lets be undefined, as the absent field that Kubernetes' types ask for. */
export type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

export const present = <T extends object>(object: T): Present<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Present<T>;
