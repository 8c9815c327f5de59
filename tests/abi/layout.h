// SPDX-License-Identifier: Apache-2.0
/* The layout of everything that crosses the plugin ABI, on LP64 machines (x86-64, aarch64). A
 * published struct never changes: what fails to compile here would break plugins that exist. Value
 * structs (those with a size, or in arrays with a stride) may grow at their end, in a release that
 * says so. While the ABI is a draft a change here comes with another LSMTPD_ABI_MINOR. Compiled as
 * C11, C17, C++17 and C++20.
 */
#include <lsmtpd/lsmtpd.h>
#include <stddef.h>

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#endif
#define AT(type, member, offset) CHECK(offsetof(type, member) == (offset))
#define SIZE(type, bytes) CHECK(sizeof(type) == (bytes))

#if defined(__LP64__)

CHECK(LSMTPD_ABI_MAJOR == 0u && LSMTPD_ABI_MINOR == 3u);
CHECK(LSMTPD_CONTINUE == 1u && LSMTPD_STORED == 2u && LSMTPD_REJECT == 3u &&
      LSMTPD_TEMPFAIL == 4u && LSMTPD_DISCARD == 5u && LSMTPD_ACCEPT == 6u);
CHECK(LSMTPD_IN_DOUBT == 1u && LSMTPD_EXCLUSIVE == 1u && LSMTPD_COPY_IN_DOUBT == 1u);
CHECK(LSMTPD_LOG_DEBUG == 1u && LSMTPD_LOG_INFO == 2u && LSMTPD_LOG_WARN == 3u &&
      LSMTPD_LOG_ERROR == 4u);
CHECK(LSMTPD_READABLE == 1u && LSMTPD_WRITABLE == 2u && LSMTPD_FD_ERROR == 4u);
CHECK(LSMTPD_TYPE_STRING == 1u && LSMTPD_TYPE_SECRET == 2u && LSMTPD_TYPE_BOOL == 3u &&
      LSMTPD_TYPE_INT == 4u && LSMTPD_TYPE_SIZE == 5u && LSMTPD_TYPE_DURATION == 6u &&
      LSMTPD_TYPE_ENUM == 7u && LSMTPD_TYPE_PATH == 8u && LSMTPD_TYPE_LIST == 9u &&
      LSMTPD_TYPE_MAP == 10u && LSMTPD_TYPE_TABLES == 11u);
CHECK(LSMTPD_DELIVERY_REPLAY == 1u && LSMTPD_DELIVERY_IN_DOUBT == 2u);
CHECK(LSMTPD_PHASE_CONNECT == 1u && LSMTPD_PHASE_HELO == 2u && LSMTPD_PHASE_AUTH == 4u &&
      LSMTPD_PHASE_MAIL == 8u && LSMTPD_PHASE_RCPT == 16u && LSMTPD_PHASE_DATA == 32u);
CHECK(LSMTPD_ENDED_ACCEPTED == 1u && LSMTPD_ENDED_REFUSED == 2u && LSMTPD_ENDED_RESET == 3u);

SIZE(struct lsmtpd_str, 16);
AT(struct lsmtpd_str, data, 0);
AT(struct lsmtpd_str, size, 8);

SIZE(struct lsmtpd_verdict, 64);
AT(struct lsmtpd_verdict, size, 0);
AT(struct lsmtpd_verdict, kind, 4);
AT(struct lsmtpd_verdict, code, 8);
AT(struct lsmtpd_verdict, flags, 12);
AT(struct lsmtpd_verdict, enhanced, 16);
AT(struct lsmtpd_verdict, text, 32);
AT(struct lsmtpd_verdict, detail, 48);

SIZE(struct lsmtpd_entry_1, 32);
AT(struct lsmtpd_entry_1, abi_major, 0);
AT(struct lsmtpd_entry_1, abi_minor, 4);
AT(struct lsmtpd_entry_1, init, 8);
AT(struct lsmtpd_entry_1, deinit, 16);
AT(struct lsmtpd_entry_1, get_factory, 24);

SIZE(struct lsmtpd_host, 104);
AT(struct lsmtpd_host, size, 0);
AT(struct lsmtpd_host, worker, 4);
AT(struct lsmtpd_host, workers, 8);
AT(struct lsmtpd_host, reserved, 12);
AT(struct lsmtpd_host, self, 16);
AT(struct lsmtpd_host, name, 24);
AT(struct lsmtpd_host, hostname, 40);
AT(struct lsmtpd_host, version, 56);
AT(struct lsmtpd_host, get_extension, 72);
AT(struct lsmtpd_host, complete, 80);
AT(struct lsmtpd_host, complete_recipients, 88);
AT(struct lsmtpd_host, lane_closed, 96);

SIZE(struct lsmtpd_descriptor, 72);
AT(struct lsmtpd_descriptor, size, 0);
AT(struct lsmtpd_descriptor, flags, 4);
AT(struct lsmtpd_descriptor, name, 8);
AT(struct lsmtpd_descriptor, version, 24);
AT(struct lsmtpd_descriptor, vendor, 40);
AT(struct lsmtpd_descriptor, description, 56);

SIZE(struct lsmtpd_factory_1, 24);
AT(struct lsmtpd_factory_1, descriptor, 0);
AT(struct lsmtpd_factory_1, get_extension, 8);
AT(struct lsmtpd_factory_1, create, 16);

SIZE(struct lsmtpd_instance, 48);
AT(struct lsmtpd_instance, self, 0);
AT(struct lsmtpd_instance, start, 8);
AT(struct lsmtpd_instance, stop, 16);
AT(struct lsmtpd_instance, destroy, 24);
AT(struct lsmtpd_instance, get_extension, 32);
AT(struct lsmtpd_instance, open_lane, 40);

SIZE(struct lsmtpd_lane, 16);
AT(struct lsmtpd_lane, self, 0);
AT(struct lsmtpd_lane, close, 8);

SIZE(struct lsmtpd_option, 72);
AT(struct lsmtpd_option, key, 0);
AT(struct lsmtpd_option, type, 8);
AT(struct lsmtpd_option, required, 12);
AT(struct lsmtpd_option, default_value, 16);
AT(struct lsmtpd_option, minimum, 24);
AT(struct lsmtpd_option, maximum, 32);
AT(struct lsmtpd_option, allowed, 40);
AT(struct lsmtpd_option, help, 48);
AT(struct lsmtpd_option, columns, 56);
AT(struct lsmtpd_option, column_stride, 64);
AT(struct lsmtpd_option, column_count, 68);

SIZE(struct lsmtpd_config, 72);
AT(struct lsmtpd_config, size, 0);
AT(struct lsmtpd_config, reserved, 4);
AT(struct lsmtpd_config, self, 8);
AT(struct lsmtpd_config, is_set, 16);
AT(struct lsmtpd_config, string, 24);
AT(struct lsmtpd_config, integer, 32);
AT(struct lsmtpd_config, count, 40);
AT(struct lsmtpd_config, item, 48);
AT(struct lsmtpd_config, item_key, 56);
AT(struct lsmtpd_config, table, 64);

SIZE(struct lsmtpd_report, 24);
AT(struct lsmtpd_report, self, 0);
AT(struct lsmtpd_report, error, 8);
AT(struct lsmtpd_report, warning, 16);

SIZE(struct lsmtpd_options_1, 24);
AT(struct lsmtpd_options_1, options, 0);
AT(struct lsmtpd_options_1, count, 8);
AT(struct lsmtpd_options_1, stride, 12);
AT(struct lsmtpd_options_1, validate, 16);

SIZE(struct lsmtpd_admission, 32);
AT(struct lsmtpd_admission, size, 0);
AT(struct lsmtpd_admission, ready, 4);
AT(struct lsmtpd_admission, max_message_size, 8);
AT(struct lsmtpd_admission, reason, 16);

SIZE(struct lsmtpd_admission_1, 8);
AT(struct lsmtpd_admission_1, get, 0);

SIZE(struct lsmtpd_recipient, 40);
AT(struct lsmtpd_recipient, address, 0);
AT(struct lsmtpd_recipient, parameters, 16);
AT(struct lsmtpd_recipient, number, 32);
AT(struct lsmtpd_recipient, reserved, 36);

SIZE(struct lsmtpd_tls, 104);
AT(struct lsmtpd_tls, size, 0);
AT(struct lsmtpd_tls, client_verified, 4);
AT(struct lsmtpd_tls, version, 8);
AT(struct lsmtpd_tls, cipher, 24);
AT(struct lsmtpd_tls, server_name, 40);
AT(struct lsmtpd_tls, client_subject, 56);
AT(struct lsmtpd_tls, client_sha256, 72);
AT(struct lsmtpd_tls, by, 88);

SIZE(struct lsmtpd_auth, 40);
AT(struct lsmtpd_auth, size, 0);
AT(struct lsmtpd_auth, reserved, 4);
AT(struct lsmtpd_auth, user, 8);
AT(struct lsmtpd_auth, mechanism, 24);

SIZE(struct lsmtpd_envelope, 232);
AT(struct lsmtpd_envelope, size, 0);
AT(struct lsmtpd_envelope, recipient_stride, 4);
AT(struct lsmtpd_envelope, id, 8);
AT(struct lsmtpd_envelope, time_ns, 24);
AT(struct lsmtpd_envelope, reverse_path, 32);
AT(struct lsmtpd_envelope, parameters, 48);
AT(struct lsmtpd_envelope, recipients, 64);
AT(struct lsmtpd_envelope, recipient_count, 72);
AT(struct lsmtpd_envelope, recipient_total, 80);
AT(struct lsmtpd_envelope, session, 88);
AT(struct lsmtpd_envelope, helo, 96);
AT(struct lsmtpd_envelope, protocol, 112);
AT(struct lsmtpd_envelope, listener, 128);
AT(struct lsmtpd_envelope, peer_address, 144);
AT(struct lsmtpd_envelope, peer_name, 160);
AT(struct lsmtpd_envelope, local_address, 176);
AT(struct lsmtpd_envelope, proxy_address, 192);
AT(struct lsmtpd_envelope, peer_port, 208);
AT(struct lsmtpd_envelope, local_port, 212);
AT(struct lsmtpd_envelope, tls, 216);
AT(struct lsmtpd_envelope, auth, 224);

SIZE(struct lsmtpd_message_1, 48);
AT(struct lsmtpd_message_1, envelope, 0);
AT(struct lsmtpd_message_1, size, 8);
AT(struct lsmtpd_message_1, peek, 16);
AT(struct lsmtpd_message_1, read, 24);
AT(struct lsmtpd_message_1, pin, 32);
AT(struct lsmtpd_message_1, unpin, 40);

SIZE(struct lsmtpd_annotations_1, 32);
AT(struct lsmtpd_annotations_1, get, 0);
AT(struct lsmtpd_annotations_1, at, 8);
AT(struct lsmtpd_annotations_1, set, 16);
AT(struct lsmtpd_annotations_1, find, 24);

SIZE(struct lsmtpd_edits_1, 48);
AT(struct lsmtpd_edits_1, set_reverse_path, 0);
AT(struct lsmtpd_edits_1, add_recipient, 8);
AT(struct lsmtpd_edits_1, remove_recipient, 16);
AT(struct lsmtpd_edits_1, prepend_header, 24);
AT(struct lsmtpd_edits_1, body_append, 32);
AT(struct lsmtpd_edits_1, body_commit, 40);

SIZE(struct lsmtpd_header_field, 56);
AT(struct lsmtpd_header_field, size, 0);
AT(struct lsmtpd_header_field, reserved, 4);
AT(struct lsmtpd_header_field, name, 8);
AT(struct lsmtpd_header_field, value, 24);
AT(struct lsmtpd_header_field, whole, 40);

SIZE(struct lsmtpd_header_1, 48);
AT(struct lsmtpd_header_1, count, 0);
AT(struct lsmtpd_header_1, at, 8);
AT(struct lsmtpd_header_1, find, 16);
AT(struct lsmtpd_header_1, insert, 24);
AT(struct lsmtpd_header_1, change, 32);
AT(struct lsmtpd_header_1, remove, 40);

SIZE(struct lsmtpd_filter_event, 32);
AT(struct lsmtpd_filter_event, size, 0);
AT(struct lsmtpd_filter_event, reserved, 4);
AT(struct lsmtpd_filter_event, edits, 8);
AT(struct lsmtpd_filter_event, annotations, 16);
AT(struct lsmtpd_filter_event, deadline_ms, 24);

SIZE(struct lsmtpd_filter_1, 16);
AT(struct lsmtpd_filter_1, message, 0);
AT(struct lsmtpd_filter_1, cancel, 8);

SIZE(struct lsmtpd_session_event, 48);
AT(struct lsmtpd_session_event, size, 0);
AT(struct lsmtpd_session_event, phase, 4);
AT(struct lsmtpd_session_event, session, 8);
AT(struct lsmtpd_session_event, declared_size, 16);
AT(struct lsmtpd_session_event, envelope, 24);
AT(struct lsmtpd_session_event, annotations, 32);
AT(struct lsmtpd_session_event, deadline_ms, 40);

SIZE(struct lsmtpd_transaction_end, 32);
AT(struct lsmtpd_transaction_end, size, 0);
AT(struct lsmtpd_transaction_end, how, 4);
AT(struct lsmtpd_transaction_end, session, 8);
AT(struct lsmtpd_transaction_end, id, 16);

SIZE(struct lsmtpd_session_filter_1, 40);
AT(struct lsmtpd_session_filter_1, phases, 0);
AT(struct lsmtpd_session_filter_1, reserved, 4);
AT(struct lsmtpd_session_filter_1, decide, 8);
AT(struct lsmtpd_session_filter_1, cancel, 16);
AT(struct lsmtpd_session_filter_1, ended, 24);
AT(struct lsmtpd_session_filter_1, closed, 32);

SIZE(struct lsmtpd_delivery, 80);
AT(struct lsmtpd_delivery, size, 0);
AT(struct lsmtpd_delivery, flags, 4);
AT(struct lsmtpd_delivery, copy_id, 8);
AT(struct lsmtpd_delivery, target, 24);
AT(struct lsmtpd_delivery, reason, 40);
AT(struct lsmtpd_delivery, deadline_ms, 56);
AT(struct lsmtpd_delivery, attempts, 64);
AT(struct lsmtpd_delivery, reserved, 68);
AT(struct lsmtpd_delivery, annotations, 72);

SIZE(struct lsmtpd_output_1, 16);
AT(struct lsmtpd_output_1, deliver, 0);
AT(struct lsmtpd_output_1, cancel, 8);

SIZE(struct lsmtpd_copy, 40);
AT(struct lsmtpd_copy, copy_id, 0);
AT(struct lsmtpd_copy, time_ns, 16);
AT(struct lsmtpd_copy, bytes, 24);
AT(struct lsmtpd_copy, flags, 32);
AT(struct lsmtpd_copy, reserved, 36);

SIZE(struct lsmtpd_replay_1, 40);
AT(struct lsmtpd_replay_1, list, 0);
AT(struct lsmtpd_replay_1, load, 8);
AT(struct lsmtpd_replay_1, forget, 16);
AT(struct lsmtpd_replay_1, dead_letter, 24);
AT(struct lsmtpd_replay_1, count, 32);

SIZE(struct lsmtpd_making_1, 32);
AT(struct lsmtpd_making_1, make, 0);
AT(struct lsmtpd_making_1, append, 8);
AT(struct lsmtpd_making_1, annotate, 16);
AT(struct lsmtpd_making_1, drop, 24);

SIZE(struct lsmtpd_replay_host_1, 24);
AT(struct lsmtpd_replay_host_1, listed, 0);
AT(struct lsmtpd_replay_host_1, loaded, 8);
AT(struct lsmtpd_replay_host_1, counted, 16);

SIZE(struct lsmtpd_control_1, 8);
AT(struct lsmtpd_control_1, retry_now, 0);

SIZE(struct lsmtpd_reload_1, 24);
AT(struct lsmtpd_reload_1, prepare, 0);
AT(struct lsmtpd_reload_1, commit, 8);
AT(struct lsmtpd_reload_1, abort, 16);

SIZE(struct lsmtpd_log_field, 32);
AT(struct lsmtpd_log_field, key, 0);
AT(struct lsmtpd_log_field, value, 16);

SIZE(struct lsmtpd_log_1, 16);
AT(struct lsmtpd_log_1, enabled, 0);
AT(struct lsmtpd_log_1, write, 8);

SIZE(struct lsmtpd_address, 16);
AT(struct lsmtpd_address, address, 0);
AT(struct lsmtpd_address, length, 8);
AT(struct lsmtpd_address, reserved, 12);

SIZE(struct lsmtpd_loop_1, 80);
AT(struct lsmtpd_loop_1, now_ms, 0);
AT(struct lsmtpd_loop_1, watch, 8);
AT(struct lsmtpd_loop_1, rewatch, 16);
AT(struct lsmtpd_loop_1, unwatch, 24);
AT(struct lsmtpd_loop_1, timer, 32);
AT(struct lsmtpd_loop_1, cancel_timer, 40);
AT(struct lsmtpd_loop_1, defer, 48);
AT(struct lsmtpd_loop_1, post, 56);
AT(struct lsmtpd_loop_1, offload, 64);
AT(struct lsmtpd_loop_1, resolve, 72);

SIZE(struct lsmtpd_dns_record, 24);
AT(struct lsmtpd_dns_record, ttl, 0);
AT(struct lsmtpd_dns_record, preference, 4);
AT(struct lsmtpd_dns_record, data, 8);

SIZE(struct lsmtpd_dns_answer, 48);
AT(struct lsmtpd_dns_answer, size, 0);
AT(struct lsmtpd_dns_answer, status, 4);
AT(struct lsmtpd_dns_answer, rcode, 8);
AT(struct lsmtpd_dns_answer, ttl, 12);
AT(struct lsmtpd_dns_answer, records, 16);
AT(struct lsmtpd_dns_answer, stride, 24);
AT(struct lsmtpd_dns_answer, count, 28);
AT(struct lsmtpd_dns_answer, error, 32);

SIZE(struct lsmtpd_dns_1, 16);
AT(struct lsmtpd_dns_1, query, 0);
AT(struct lsmtpd_dns_1, cancel, 8);

SIZE(struct lsmtpd_memory_1, 24);
AT(struct lsmtpd_memory_1, reserve, 0);
AT(struct lsmtpd_memory_1, release, 8);
AT(struct lsmtpd_memory_1, limit, 16);

SIZE(struct lsmtpd_credentials, 80);
AT(struct lsmtpd_credentials, size, 0);
AT(struct lsmtpd_credentials, mechanism, 4);
AT(struct lsmtpd_credentials, session, 8);
AT(struct lsmtpd_credentials, authorization, 16);
AT(struct lsmtpd_credentials, user, 32);
AT(struct lsmtpd_credentials, password, 48);
AT(struct lsmtpd_credentials, envelope, 64);
AT(struct lsmtpd_credentials, deadline_ms, 72);

SIZE(struct lsmtpd_auth_1, 24);
AT(struct lsmtpd_auth_1, mechanisms, 0);
AT(struct lsmtpd_auth_1, reserved, 4);
AT(struct lsmtpd_auth_1, verify, 8);
AT(struct lsmtpd_auth_1, cancel, 16);

SIZE(struct lsmtpd_metric_label, 32);
AT(struct lsmtpd_metric_label, name, 0);
AT(struct lsmtpd_metric_label, value, 16);

SIZE(struct lsmtpd_metric_info, 72);
AT(struct lsmtpd_metric_info, size, 0);
AT(struct lsmtpd_metric_info, type, 4);
AT(struct lsmtpd_metric_info, combine, 8);
AT(struct lsmtpd_metric_info, label_count, 12);
AT(struct lsmtpd_metric_info, name, 16);
AT(struct lsmtpd_metric_info, help, 32);
AT(struct lsmtpd_metric_info, labels, 48);
AT(struct lsmtpd_metric_info, bounds, 56);
AT(struct lsmtpd_metric_info, bound_count, 64);
AT(struct lsmtpd_metric_info, label_stride, 68);

SIZE(struct lsmtpd_metrics_1, 40);
AT(struct lsmtpd_metrics_1, declare, 0);
AT(struct lsmtpd_metrics_1, count, 8);
AT(struct lsmtpd_metrics_1, set, 16);
AT(struct lsmtpd_metrics_1, add, 24);
AT(struct lsmtpd_metrics_1, observe, 32);

SIZE(struct lsmtpd_terminal, 24);
AT(struct lsmtpd_terminal, self, 0);
AT(struct lsmtpd_terminal, out, 8);
AT(struct lsmtpd_terminal, error, 16);

SIZE(struct lsmtpd_command_1, 40);
AT(struct lsmtpd_command_1, name, 0);
AT(struct lsmtpd_command_1, usage, 16);
AT(struct lsmtpd_command_1, run, 32);

SIZE(struct lsmtpd_probe_report, 16);
AT(struct lsmtpd_probe_report, self, 0);
AT(struct lsmtpd_probe_report, step, 8);

SIZE(struct lsmtpd_probe_1, 8);
AT(struct lsmtpd_probe_1, probe, 0);

#endif
