{{/* Name of everything that belongs to the operator's process. */}}
{{- define "longpo.controller" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- printf "%s-controller" (.Release.Name | trunc 52 | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-longpo-controller" (.Release.Name | trunc 45 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-wide objects carry the namespace, so that two releases do not share them. */}}
{{- define "longpo.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "longpo.controller" .) -}}
{{- end -}}

{{- define "longpo.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "longpo.controller" .) -}}
{{- end -}}

{{- define "longpo.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "longpo.labels" -}}
{{ include "longpo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Image of one of ours, or what the values say: (list $ "trainer"). */}}
{{- define "longpo.image" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}
{{- index $root.Values.images $name | default (printf "%s/%s:%s" $root.Values.imageRegistry $name $root.Chart.AppVersion) -}}
{{- end -}}

{{/* The one place that says how a pod of ours is locked down. */}}
{{- define "longpo.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "longpo.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
