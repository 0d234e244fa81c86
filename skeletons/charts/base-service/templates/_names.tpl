{{/* Name of the objects. */}}
{{- define "base-service.name" -}}
{{- .Values.name | default .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "base-service.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "base-service.name" .) -}}
{{- end -}}

{{/* What selects the pods: never changes in the life of a release. */}}
{{- define "base-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "base-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "base-service.labels" -}}
{{ include "base-service.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of every object. */}}
{{- define "base-service.metadata" -}}
name: {{ include "base-service.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "base-service.labels" . | nindent 2 }}
{{- with .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The one question that all probes ask; they differ in patience. */}}
{{- define "base-service.healthCheck" -}}
httpGet:
  path: {{ .Values.health.path | quote }}
  port: http
{{- end -}}
