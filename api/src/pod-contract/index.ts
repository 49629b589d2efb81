/** The pod contract: what a pod is given and what it gives back, under any executor (docs/adr/0001). */
export * from './env.ts';
export * from './exit-code.ts';
export * from './pod-result.ts';
export * from './role.ts';
export * from './role-config.ts';
