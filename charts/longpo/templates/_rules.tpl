{{/*
What the operator may do in a namespace that it works in: no secrets, no config maps, no exec, no pods of its own
making. Deletion of what is owned is the garbage collector's. Each verb has a call that needs it, and
test/integration/rights.test.ts takes them away one by one. A server-side apply that creates needs create and patch.
*/}}
{{- define "longpo.rules" -}}
# The cache, the fresh look before a change, and ttlSecondsAfterFinished.
- apiGroups: [longpo.dev]
  resources: [longpotrainings]
  verbs: [get, list, watch, delete]
# Servings of users, and those that a training makes, scales and removes.
- apiGroups: [longpo.dev]
  resources: [longposervings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [longpo.dev]
  resources: [longpotrainings/status, longposervings/status]
  verbs: [patch]
# Owner references of children block the deletion of their owner (OwnerReferencesPermissionEnforcement).
- apiGroups: [longpo.dev]
  resources: [longpotrainings/finalizers, longposervings/finalizers]
  verbs: [update]
# Made once. patch: suspend, deadline and the annotations that explain them. get: whose a Job is that is there already.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch]
# get: is it the pod that a report's token names. delete: replacing a pod that stands still keeps its Job's admission.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
# The claim of spec.storage.size, made once.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
# delete: a serving of one replica has no budget.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Whose report a bearer token may make; a TokenReview has no namespace. */}}
{{- define "longpo.clusterRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end -}}
