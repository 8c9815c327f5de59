// SPDX-License-Identifier: Apache-2.0
/* The layout of everything that crosses the plugin ABI, on LP64 machines (x86-64, aarch64). A
 * published struct never changes: what fails to compile here would break plugins that exist. Value
 * structs (those with a size) may grow at their end, in a release that says so. Compiled as C11,
 * C17, C++17 and C++20.
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

CHECK(LSMTPD_ABI_MAJOR == 1u);
CHECK(LSMTPD_CONTINUE == 1u && LSMTPD_STORED == 2u && LSMTPD_REJECT == 3u &&
      LSMTPD_TEMPFAIL == 4u && LSMTPD_DISCARD == 5u);
CHECK(LSMTPD_LOG_DEBUG == 1u && LSMTPD_LOG_INFO == 2u && LSMTPD_LOG_WARN == 3u &&
      LSMTPD_LOG_ERROR == 4u);
CHECK(LSMTPD_READABLE == 1u && LSMTPD_WRITABLE == 2u && LSMTPD_FD_ERROR == 4u);
CHECK(LSMTPD_TYPE_STRING == 1u && LSMTPD_TYPE_SECRET == 2u && LSMTPD_TYPE_BOOL == 3u &&
      LSMTPD_TYPE_INT == 4u && LSMTPD_TYPE_SIZE == 5u && LSMTPD_TYPE_DURATION == 6u &&
      LSMTPD_TYPE_ENUM == 7u && LSMTPD_TYPE_PATH == 8u && LSMTPD_TYPE_LIST == 9u &&
      LSMTPD_TYPE_MAP == 10u);
CHECK(LSMTPD_DELIVERY_REPLAY == 1u);
CHECK(LSMTPD_PHASE_CONNECT == 1u && LSMTPD_PHASE_HELO == 2u && LSMTPD_PHASE_MAIL == 4u &&
      LSMTPD_PHASE_RCPT == 8u);

SIZE(struct lsmtpd_str, 16);
AT(struct lsmtpd_str, data, 0);
AT(struct lsmtpd_str, size, 8);

SIZE(struct lsmtpd_verdict, 64);
AT(struct lsmtpd_verdict, size, 0);
AT(struct lsmtpd_verdict, kind, 4);
AT(struct lsmtpd_verdict, code, 8);
AT(struct lsmtpd_verdict, reserved, 12);
AT(struct lsmtpd_verdict, enhanced, 16);
AT(struct lsmtpd_verdict, text, 32);
AT(struct lsmtpd_verdict, detail, 48);

SIZE(struct lsmtpd_entry_1, 32);
AT(struct lsmtpd_entry_1, abi_major, 0);
AT(struct lsmtpd_entry_1, abi_minor, 4);
AT(struct lsmtpd_entry_1, init, 8);
AT(struct lsmtpd_entry_1, deinit, 16);
AT(struct lsmtpd_entry_1, get_factory, 24);

SIZE(struct lsmtpd_host, 88);
AT(struct lsmtpd_host, self, 0);
AT(struct lsmtpd_host, name, 8);
AT(struct lsmtpd_host, hostname, 24);
AT(struct lsmtpd_host, version, 40);
AT(struct lsmtpd_host, worker, 56);
AT(struct lsmtpd_host, workers, 60);
AT(struct lsmtpd_host, get_extension, 64);
AT(struct lsmtpd_host, complete, 72);
AT(struct lsmtpd_host, lane_closed, 80);

SIZE(struct lsmtpd_descriptor, 72);
AT(struct lsmtpd_descriptor, size, 0);
AT(struct lsmtpd_descriptor, reserved, 4);
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

SIZE(struct lsmtpd_option, 56);
AT(struct lsmtpd_option, key, 0);
AT(struct lsmtpd_option, type, 8);
AT(struct lsmtpd_option, required, 12);
AT(struct lsmtpd_option, default_value, 16);
AT(struct lsmtpd_option, minimum, 24);
AT(struct lsmtpd_option, maximum, 32);
AT(struct lsmtpd_option, allowed, 40);
AT(struct lsmtpd_option, help, 48);

SIZE(struct lsmtpd_config, 56);
AT(struct lsmtpd_config, self, 0);
AT(struct lsmtpd_config, is_set, 8);
AT(struct lsmtpd_config, string, 16);
AT(struct lsmtpd_config, integer, 24);
AT(struct lsmtpd_config, count, 32);
AT(struct lsmtpd_config, item, 40);
AT(struct lsmtpd_config, item_key, 48);

SIZE(struct lsmtpd_report, 24);
AT(struct lsmtpd_report, self, 0);
AT(struct lsmtpd_report, error, 8);
AT(struct lsmtpd_report, warning, 16);

SIZE(struct lsmtpd_options_1, 24);
AT(struct lsmtpd_options_1, options, 0);
AT(struct lsmtpd_options_1, count, 8);
AT(struct lsmtpd_options_1, reserved, 12);
AT(struct lsmtpd_options_1, validate, 16);

SIZE(struct lsmtpd_recipient, 32);
AT(struct lsmtpd_recipient, address, 0);
AT(struct lsmtpd_recipient, parameters, 16);

SIZE(struct lsmtpd_envelope, 176);
AT(struct lsmtpd_envelope, size, 0);
AT(struct lsmtpd_envelope, peer_port, 4);
AT(struct lsmtpd_envelope, id, 8);
AT(struct lsmtpd_envelope, time_ns, 24);
AT(struct lsmtpd_envelope, reverse_path, 32);
AT(struct lsmtpd_envelope, parameters, 48);
AT(struct lsmtpd_envelope, recipients, 64);
AT(struct lsmtpd_envelope, recipient_count, 72);
AT(struct lsmtpd_envelope, helo, 80);
AT(struct lsmtpd_envelope, protocol, 96);
AT(struct lsmtpd_envelope, listener, 112);
AT(struct lsmtpd_envelope, peer_address, 128);
AT(struct lsmtpd_envelope, tls, 144);
AT(struct lsmtpd_envelope, auth_user, 160);

SIZE(struct lsmtpd_message_1, 112);
AT(struct lsmtpd_message_1, envelope, 0);
AT(struct lsmtpd_message_1, size, 8);
AT(struct lsmtpd_message_1, peek, 16);
AT(struct lsmtpd_message_1, read, 24);
AT(struct lsmtpd_message_1, pin, 32);
AT(struct lsmtpd_message_1, unpin, 40);
AT(struct lsmtpd_message_1, annotation, 48);
AT(struct lsmtpd_message_1, annotation_at, 56);
AT(struct lsmtpd_message_1, annotate, 64);
AT(struct lsmtpd_message_1, add_recipient, 72);
AT(struct lsmtpd_message_1, remove_recipient, 80);
AT(struct lsmtpd_message_1, prepend_header, 88);
AT(struct lsmtpd_message_1, body_append, 96);
AT(struct lsmtpd_message_1, body_commit, 104);

SIZE(struct lsmtpd_filter_1, 16);
AT(struct lsmtpd_filter_1, message, 0);
AT(struct lsmtpd_filter_1, cancel, 8);

SIZE(struct lsmtpd_session_event, 32);
AT(struct lsmtpd_session_event, size, 0);
AT(struct lsmtpd_session_event, phase, 4);
AT(struct lsmtpd_session_event, session, 8);
AT(struct lsmtpd_session_event, declared_size, 16);
AT(struct lsmtpd_session_event, envelope, 24);

SIZE(struct lsmtpd_session_filter_1, 32);
AT(struct lsmtpd_session_filter_1, phases, 0);
AT(struct lsmtpd_session_filter_1, reserved, 4);
AT(struct lsmtpd_session_filter_1, decide, 8);
AT(struct lsmtpd_session_filter_1, cancel, 16);
AT(struct lsmtpd_session_filter_1, closed, 24);

SIZE(struct lsmtpd_admission, 32);
AT(struct lsmtpd_admission, size, 0);
AT(struct lsmtpd_admission, ready, 4);
AT(struct lsmtpd_admission, max_message_size, 8);
AT(struct lsmtpd_admission, reason, 16);

SIZE(struct lsmtpd_admission_1, 8);
AT(struct lsmtpd_admission_1, get, 0);

SIZE(struct lsmtpd_delivery, 48);
AT(struct lsmtpd_delivery, size, 0);
AT(struct lsmtpd_delivery, flags, 4);
AT(struct lsmtpd_delivery, copy_id, 8);
AT(struct lsmtpd_delivery, target, 24);
AT(struct lsmtpd_delivery, deadline_ms, 40);

SIZE(struct lsmtpd_output_1, 16);
AT(struct lsmtpd_output_1, deliver, 0);
AT(struct lsmtpd_output_1, cancel, 8);

SIZE(struct lsmtpd_replay_1, 32);
AT(struct lsmtpd_replay_1, list, 0);
AT(struct lsmtpd_replay_1, load, 8);
AT(struct lsmtpd_replay_1, forget, 16);
AT(struct lsmtpd_replay_1, dead_letter, 24);

SIZE(struct lsmtpd_replay_host_1, 24);
AT(struct lsmtpd_replay_host_1, listed, 0);
AT(struct lsmtpd_replay_host_1, make, 8);
AT(struct lsmtpd_replay_host_1, loaded, 16);

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

SIZE(struct lsmtpd_memory_1, 16);
AT(struct lsmtpd_memory_1, reserve, 0);
AT(struct lsmtpd_memory_1, release, 8);

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
