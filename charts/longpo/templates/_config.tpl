{{/* The file that controller/src/config/schema.ts describes. POD_NAME and POD_NAMESPACE complete it. */}}
{{- define "longpo.config" -}}
{{- $trainer := include "longpo.image" (list . "trainer") -}}
{{- $server := include "longpo.image" (list . "server") -}}
{{- $service := printf "http://%s.%s.svc:8080" (include "longpo.controller" .) .Release.Namespace -}}
images:
  fetch: {{ $trainer }}
  generate: {{ $server }}
  train: {{ $trainer }}
  verify: {{ $trainer }}
  serve: {{ $server }}
  vllm: {{ .Values.images.vllm }}
reportBaseUrl: {{ .Values.reportBaseUrl | default $service }}
listen:
  progress: "0.0.0.0:8080"
  metrics: "0.0.0.0:8081"
leaderElection:
  leaseName: {{ include "longpo.controller" . }}
  {{- toYaml .Values.config.leaderElection | nindent 2 }}
watchNamespaces: {{- toYaml .Values.watchNamespaces | nindent 2 }}
{{ toYaml (omit .Values.config "leaderElection") }}
{{- end -}}
