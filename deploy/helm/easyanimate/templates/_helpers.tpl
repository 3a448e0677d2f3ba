{{/* Names are those of the release; a release called like the chart is not named twice. */}}
{{- define "easyanimate.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* The labels that select pods. Call: (dict "root" $ "component" "api") */}}
{{- define "easyanimate.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .worker }}
easyanimate/worker: {{ . }}
{{- end }}
{{- end }}

{{- define "easyanimate.labels" -}}
{{ include "easyanimate.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Call: (dict "root" $ "name" "service") */}}
{{- define "easyanimate.image" -}}
{{- $image := index .root.Values.image .name -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "easyanimate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/*
What all pods have. Service links are off: a Service called `easyanimate` would set EASYANIMATE_PORT=tcp://… in each pod,
which is a setting of the API.
*/}}
{{- define "easyanimate.pod" -}}
serviceAccountName: {{ include "easyanimate.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "easyanimate.placement" -}}
nodeSelector: {{- toYaml .nodeSelector | nindent 2 }}
tolerations: {{- toYaml .tolerations | nindent 2 }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volumes of the service: data and tmp are all that it can write to. Call: (dict "root" $ "secrets" dict "size" "1Gi") */}}
{{- define "easyanimate.volumes" -}}
- name: data
  emptyDir: {sizeLimit: {{ .size }}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: secrets
  secret:
    secretName: {{ .root.Values.secret.name }}
    defaultMode: 0440
    items:
    {{- range $setting, $key := .secrets }}
      - {key: {{ $key }}, path: {{ $setting }}}
    {{- end }}
{{- end }}

{{- define "easyanimate.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/easyanimate, readOnly: true}
{{- end }}

{{/* The secrets of a process by setting, as JSON. Call: (dict "root" $ "process" "api") */}}
{{- define "easyanimate.secrets" -}}
{{- $secrets := dict -}}
{{- range $setting, $key := merge (dict) (index .root.Values.secret .process) .root.Values.secret.all -}}
{{- if $key }}{{ $_ := set $secrets $setting $key }}{{ end -}}
{{- end -}}
{{- $secrets | toJson -}}
{{- end }}

{{/* A value as the text of a variable. Numbers of files of values are floats: 1e+06 is no number of a setting. */}}
{{- define "easyanimate.text" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- else if not (kindIs "invalid" .) }}{{ . }}{{ end }}
{{- end }}

{{/*
Call: (dict "root" $ "settings" dict "own" dict "secrets" dict). Names are without EASYANIMATE_. Null and an empty text mean
not set.
*/}}
{{- define "easyanimate.environment" -}}
{{- $s3 := .root.Values.s3 -}}
{{- $common := dict "DATA_DIR" "/data" "STORAGE" "s3" "S3__BUCKET" $s3.bucket "S3__PREFIX" $s3.prefix -}}
{{- $_ := set $common "S3__REGION" $s3.region -}}
{{- $_ := set $common "S3__ADDRESSING_STYLE" $s3.addressingStyle -}}
{{- $_ := set $common "S3__ENDPOINT_URL" $s3.endpointUrl -}}
{{- $_ := set $common "S3__PUBLIC_ENDPOINT_URL" $s3.publicEndpointUrl -}}
{{- range $setting, $_ := .secrets }}
{{- $_ := set $common (printf "%s_FILE" $setting) (printf "/run/secrets/easyanimate/%s" $setting) }}
{{- end -}}
{{- $names := list }}
{{- range $name, $value := mergeOverwrite $common .settings .root.Values.settings .own }}
{{- with include "easyanimate.text" $value }}
{{- $names = append $names (trimSuffix "_FILE" $name) }}
- {name: EASYANIMATE_{{ $name }}, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if not (has "REDIS_URL" $names) }}
{{- fail "secret.all.REDIS_URL is needed: all processes use the same Redis" }}
{{- end }}
{{- if ne (has "S3__SECRET_ACCESS_KEY" $names) (or (has "S3__ACCESS_KEY_ID" $names) (ne .root.Values.secret.s3AccessKeyId "")) }}
{{- fail "secret.s3AccessKeyId and secret.all.S3__SECRET_ACCESS_KEY are a pair: set both, or an empty text and null" }}
{{- end }}
{{- with .root.Values.traces }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
{{- range $name, $value := .variables }}
- {name: OTEL_{{ $name }}, value: {{ include "easyanimate.text" $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.secret.s3AccessKeyId }}
- name: EASYANIMATE_S3__ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ $.root.Values.secret.name }}, key: {{ . }}}}
{{- end }}
{{- end }}

{{/* The values of a worker with the defaults, as JSON. Call: (dict "root" $ "worker" $values) */}}
{{- define "easyanimate.worker" -}}
{{- mergeOverwrite (deepCopy .root.Values.workerDefaults) (deepCopy .worker) | toJson -}}
{{- end }}

{{/* "yes" if a worker may be scaled to zero. */}}
{{- define "easyanimate.scalesToZero" -}}
{{- range $name, $own := .Values.workers -}}
{{- $autoscaling := (include "easyanimate.worker" (dict "root" $ "worker" $own) | fromJson).autoscaling -}}
{{- if and $autoscaling.enabled (eq (int $autoscaling.minReplicas) 0) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* "yes" if a worker sets the deletion cost of its pod. */}}
{{- define "easyanimate.deletionCost" -}}
{{- range $name, $own := .Values.workers -}}
{{- if (include "easyanimate.worker" (dict "root" $ "worker" $own) | fromJson).deletionCost }}yes{{ end -}}
{{- end -}}
{{- end }}
