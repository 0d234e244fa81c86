{{/* What a Deployment or a Job makes its pods of. */}}
{{- define "base-service.podTemplate" -}}
metadata:
  labels:
    {{- include "base-service.podLabels" . | nindent 4 }}
  {{- $annotations := deepCopy .Values.podAnnotations }}
  {{- with .Values.config.files }}
  {{- $_ := set $annotations "checksum/config" (toYaml . | sha256sum) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- $pod := deepCopy .Values.podSpec | default (include "base-service.pod" . | fromYaml) }}
  {{- mergeOverwrite $pod (deepCopy .Values.podOverrides) | toYaml | nindent 2 }}
{{- end -}}

{{/* The pod's spec, before `podOverrides`. */}}
{{- define "base-service.pod" -}}
{{- if eq .Values.workload "cronjob" }}
# Not in the same pod again, so that the logs of each try are kept.
restartPolicy: Never
{{- end }}
serviceAccountName: {{ include "base-service.serviceAccountName" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.shutdown.graceSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- if and .Values.topologySpread.enabled (eq .Values.workload "deployment") }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "base-service.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with .Values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{- include "base-service.container" . | nindent 4 }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if .Values.config.files }}
  - name: config
    configMap:
      name: {{ include "base-service.name" . }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The environment of OpenTelemetry's SDKs; what `env` names is taken from there. */}}
{{- define "base-service.telemetry" -}}
{{- $resource := list (printf "service.version=%s" .Values.image.tag) (printf "k8s.namespace.name=%s" .Release.Namespace) }}
{{- with .Values.labels.environment }}
{{- $resource = append $resource (printf "deployment.environment.name=%s" .) }}
{{- end }}
{{- $standard := dict
  "OTEL_SERVICE_NAME" (include "base-service.name" .)
  "OTEL_RESOURCE_ATTRIBUTES" (join "," $resource)
  "OTEL_EXPORTER_OTLP_ENDPOINT" .Values.telemetry.endpoint
  "OTEL_EXPORTER_OTLP_PROTOCOL" "http/protobuf" }}
{{- range $name, $value := $standard }}
{{- if not (hasKey $.Values.env $name) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The service's own container. */}}
{{- define "base-service.container" -}}
{{- $serves := include "base-service.serves" . -}}
name: {{ include "base-service.name" . }}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- if $serves }}
ports:
  - name: http
    containerPort: {{ .Values.port }}
{{- end }}
{{- if or $serves .Values.env .Values.telemetry.enabled }}
env:
  {{- if $serves }}
  - name: PORT
    value: {{ .Values.port | quote }}
  {{- end }}
  {{- if .Values.telemetry.enabled }}
  {{- include "base-service.telemetry" . | nindent 2 }}
  {{- end }}
  {{- range $name, $value := .Values.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- if or .Values.envFrom .Values.externalSecret.enabled }}
envFrom:
  {{- if .Values.externalSecret.enabled }}
  - secretRef:
      name: {{ include "base-service.secretName" . }}
  {{- end }}
  {{- with .Values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- range $kind, $probe := .Values.probes }}
{{- if or $serves (and $probe.command (eq $.Values.workload "deployment")) }}
{{ $kind }}Probe:
  {{- include "base-service.probe" (dict "root" $ "probe" $probe) | trim | nindent 2 }}
{{- end }}
{{- end }}
{{- if and $serves .Values.shutdown.drainSeconds (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.shutdown.drainSeconds }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .Values.config.files }}
  - name: config
    mountPath: {{ .Values.config.mountPath | quote }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
