{{- define "lsmtpd.config" -}}
{{ tpl (.Values.config | default (.Files.Get "files/lsmtpd.toml")) . | trim }}
{{- end }}

{{- define "lsmtpd.selector" -}}
app.kubernetes.io/name: lsmtpd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
