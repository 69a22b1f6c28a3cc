{{- define "w2s.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "w2s.fullname" -}}
{{- $name := include "w2s.name" . -}}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $release | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Of objects without a namespace: releases in several namespaces do not meet. */}}
{{- define "w2s.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "w2s.fullname" .) -}}
{{- end -}}

{{- define "w2s.selectorLabels" -}}
app.kubernetes.io/name: {{ include "w2s.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "w2s.labels" -}}
{{ include "w2s.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: w2s
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "w2s.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "w2s.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Arguments: image, version. */}}
{{- define "w2s.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .version) -}}
{{- end -}}
{{- end -}}

{{/* Namespaces whose jobs are run, as a JSON list; nothing for all. */}}
{{- define "w2s.namespaces" -}}
{{- if and .Values.clusterWide .Values.watchNamespaces -}}
{{- fail "clusterWide runs the jobs of all namespaces; leave watchNamespaces empty, or set clusterWide to false." -}}
{{- end -}}
{{- if not .Values.clusterWide -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* What the operator does, and nothing else: tests/unit/chart compares it with its requests. */}}
{{- define "w2s.rules" -}}
- apiGroups: [w2s.dev]
  resources: [weaktostrongjobs]
  verbs: [list, watch, delete]
- apiGroups: [w2s.dev]
  resources: [weaktostrongjobs/status]
  verbs: [patch]
# Jobs that block the deletion of their owner may be created only by those who could delay it anyway (OpenShift).
- apiGroups: [w2s.dev]
  resources: [weaktostrongjobs/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete, deletecollection]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
{{- end -}}

{{- define "w2s.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "w2s.podSecurity" -}}
{{- mustMergeOverwrite (deepCopy .Values.podSecurityContext) (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) | toYaml -}}
{{- end -}}
