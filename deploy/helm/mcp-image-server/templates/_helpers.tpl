{{- define "server.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "server.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "server.labels" -}}
{{ include "server.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: server
{{- end }}

{{- define "server.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "server.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "server.claim" -}}
{{- .Values.storage.file.claim.existing | default (printf "%s-images" (include "server.name" .)) }}
{{- end }}

{{- /* Each replica would have images of its own. */ -}}
{{- define "server.check" -}}
{{- $replicas := ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- $alone := and (eq .Values.storage.backend "file") (not .Values.storage.file.claim.enabled) }}
{{- if and $alone (gt $replicas 1) }}
{{- fail (printf "%d replicas share no images: set storage.backend to s3, storage.file.claim.enabled to true, or replicaCount to 1 without autoscaling" $replicas) }}
{{- end }}
{{- if not (or .Values.server.anonymous .Values.server.apiKeys .Values.server.existingSecret) }}
{{- fail "nobody could call: set server.apiKeys, server.existingSecret or server.anonymous" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts names no host" }}
{{- end }}
{{- if not (or .Values.kserve.endpoint .Values.backends) }}
{{- fail "there is no backend: set kserve.endpoint or backends" }}
{{- end }}
{{- end }}

{{- /* Names under which it is called. */ -}}
{{- define "server.hosts" -}}
{{- $name := include "server.name" . }}
{{- $own := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) }}
{{- concat $own .Values.ingress.hosts .Values.server.allowedHosts | uniq | join "," }}
{{- end }}

{{- define "server.url" -}}
{{- if .Values.server.publicUrl }}{{ .Values.server.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts }}{{ ternary "https" "http" (not (empty .Values.ingress.tls)) }}://{{ first .Values.ingress.hosts }}
{{- end }}
{{- end }}

{{- /* Secrets that are the pod's environment. */ -}}
{{- define "server.secrets" -}}
{{- $s3 := eq .Values.storage.backend "s3" }}
{{- $own := or .Values.server.apiKeys (and $s3 .Values.storage.s3.accessKeyId) }}
{{- $all := list (ternary (include "server.name" .) "" (not (empty $own))) .Values.server.existingSecret (ternary .Values.storage.s3.existingSecret "" $s3) }}
{{- $all | compact | uniq | join "," }}
{{- end }}
