{{/* Name of the objects. */}}
{{- define "base-service.name" -}}
{{- .Values.name | default .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Not empty when others call it: a worker and a job have no port. */}}
{{- define "base-service.serves" -}}
{{- if and (eq .Values.workload "deployment") .Values.service.enabled }}true{{ end -}}
{{- end -}}

{{- define "base-service.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "base-service.name" .) -}}
{{- end -}}

{{/* Name of the secret that the ExternalSecret makes. */}}
{{- define "base-service.secretName" -}}
{{- include "base-service.name" . | trunc 55 | trimSuffix "-" }}-secrets
{{- end -}}

{{/* What selects the pods: never changes in the life of a release. */}}
{{- define "base-service.selectorLabels" -}}
{{- if .Values.selectorLabels -}}
{{ toYaml .Values.selectorLabels }}
{{- else -}}
app.kubernetes.io/name: {{ include "base-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- end -}}

{{/* Labels of the pods. Those of an adopted service are its own, so that neither adoption nor a new chart replaces the pods. */}}
{{- define "base-service.podLabels" -}}
{{- $own := include (ternary "base-service.selectorLabels" "base-service.labels" (not (empty .Values.selectorLabels))) . | fromYaml -}}
{{ toYaml (mergeOverwrite (deepCopy .Values.podLabels) $own) }}
{{- end -}}

{{- define "base-service.labels" -}}
{{- $standard := dict
  "app.kubernetes.io/name" (include "base-service.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" (.Values.image.tag | trunc 63 | trimAll "-_.")
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
-}}
{{ toYaml (mergeOverwrite $standard (deepCopy .Values.labels) (deepCopy .Values.selectorLabels)) }}
{{- end -}}

{{/* Metadata of an object, called with the root, and with what it has of its own: name, labels, annotations. */}}
{{- define "base-service.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (include "base-service.name" $root) }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "base-service.labels" $root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) $root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A probe, called with the root and the values of the probe. */}}
{{- define "base-service.probe" -}}
{{- if .probe.command }}
exec:
  command:
    {{- toYaml .probe.command | nindent 4 }}
{{- else }}
httpGet:
  path: {{ .probe.path | default .root.Values.health.path | quote }}
  port: http
{{- end }}
periodSeconds: {{ .probe.periodSeconds }}
failureThreshold: {{ .probe.failureThreshold }}
{{- end -}}
