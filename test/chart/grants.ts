/** The operator's rights, one verb on one resource at a time, so that a test can take each away. Pure. */
import type { Rendered } from './rendered.ts';

/** One verb on one resource, given by one role. */
export interface Grant {
  role: string;
  group: string;
  resource: string;
  verb: string;
  /** Absent: objects of any name. */
  resourceName?: string;
}

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

interface Binding extends Rendered {
  roleRef: { kind: string; name: string };
}

type Role = Rendered & { rules: Rule[] };

const keyOf = ({ kind, metadata }: Rendered): string =>
  [kind, ...(metadata.namespace === undefined ? [] : [metadata.namespace]), metadata.name].join('/');

/** Roles that a binding of the chart gives to the operator; the roles for people are aggregated, not bound. */
export function operatorRoles(objects: readonly Rendered[]): Role[] {
  const bindings = objects.filter(({ kind }) => /^(Cluster)?RoleBinding$/.test(kind)) as Binding[];
  return objects.filter(({ kind, metadata }) =>
    bindings.some(
      ({ roleRef, metadata: { namespace } }) =>
        roleRef.kind === kind && roleRef.name === metadata.name && metadata.namespace === namespace,
    ),
  ) as Role[];
}

/** Every grant of the operator, in the order of the rules. */
export function grantsOf(objects: readonly Rendered[]): Grant[] {
  return operatorRoles(objects).flatMap((role) =>
    role.rules.flatMap((rule) => singleGrants(keyOf(role), rule)),
  );
}

function singleGrants(role: string, { apiGroups, resources, verbs, resourceNames }: Rule): Grant[] {
  const names = (resourceNames ?? [undefined]).map((resourceName) => ({
    ...(resourceName !== undefined && { resourceName }),
  }));
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => names.map((name) => ({ role, group, resource, verb, ...name }))),
    ),
  );
}

/** For a test's title: `patch longpo.dev longpotrainings/status`. */
export const titleOf = ({ group, resource, verb, resourceName }: Grant): string =>
  [verb, group || 'core', resource, ...(resourceName === undefined ? [] : [resourceName])].join(' ');

/** The role that had the grant, as it is without it and with all others; apply it in its place. */
export function roleWithout(objects: readonly Rendered[], grant: Grant): Rendered {
  const role = operatorRoles(objects).find((candidate) => keyOf(candidate) === grant.role);
  if (role === undefined) throw new Error(`no ${grant.role} is bound to the operator`);
  const left = grantsOf([...objects]).filter(
    (other) => other.role === grant.role && titleOf(other) !== titleOf(grant),
  );
  const rules = left.map(({ group, resource, verb, resourceName }) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: [verb],
    ...(resourceName !== undefined && { resourceNames: [resourceName] }),
  }));
  return { ...role, rules };
}
