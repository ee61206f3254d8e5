{{- define "gridwatch.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- define "gridwatch.selector" -}}
app.kubernetes.io/name: gridwatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "gridwatch.labels" -}}
{{ include "gridwatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
