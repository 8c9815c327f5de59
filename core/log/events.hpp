// SPDX-License-Identifier: Apache-2.0
// The events that the core logs: one row for each, from which the table in docs/operations.md
// comes. A log call takes a word of this table and one of its levels; anything else does not
// compile. Lines of plugins carry sentences of their own (Event::foreign).
//
// To add an event: add a row here, log it, and put the output of the target log_events into
// docs/operations.md (a test compares them).
#pragma once

#include <string_view>

#include "log/level.hpp"

namespace lsmtpd::log {

struct EventRow {
  std::string_view word;
  Level level;        // the usual one
  Level other_level;  // where it has two; else the same
  std::string_view when;
  std::string_view fields;  // names, separated by spaces; not all of them are in each line
  std::string_view action;  // of the operator; empty: none
};

inline constexpr EventRow kEvents[] = {
    {"listening", Level::info, Level::info, "a listener accepts connections",
     "listener address workers", ""},
    {"ready", Level::info, Level::info, "all listeners accept connections", "version config", ""},
    {"drain_delayed", Level::info, Level::info,
     "SIGTERM came, and listeners go on accepting for timeouts.drain_delay", "ms", ""},
    {"admin_listening", Level::info, Level::info, "the admin server answers", "socket http", ""},
    {"admin_command", Level::info, Level::info, "somebody gave a command with lsmtpd ctl",
     "command arguments by", ""},
    {"trace_begun", Level::info, Level::info, "an operator's trace begins (lsmtpd ctl trace)",
     "traced by", ""},
    {"trace_ended", Level::info, Level::info,
     "a trace ends: its time is over, or the operator left", "traced by why", ""},
    {"trace", Level::info, Level::info,
     "a line of a traced session, with --log; C: the client's, S: ours, *: something else",
     "session line", ""},
    {"output_held", Level::warn, Level::warn,
     "an operator holds an output: at the start and once a day", "plugin by for_s",
     "lsmtpd ctl release OUTPUT once its mail may flow again"},
    {"holds_not_kept", Level::warn, Level::error,
     "holds could not be written, or not be read, in server.state_directory; error: at the start",
     "error", "set server.state_directory to a directory that the daemon may write to"},
    {"metric_refused", Level::error, Level::error,
     "a plugin declared a metric that is not well formed, or too many", "plugin metric why",
     "report it to the plugin's author"},
    {"accepted", Level::info, Level::info,
     "a message got its 250; outcome is discarded where a filter dropped it",
     "id outcome from to size message_id peer proxy helo protocol listener code reply by "
     "receive_ms "
     "chain_ms "
     "reply_lost recipients size_after_filters output fallback route reason traceparent",
     ""},
    {"refused", Level::info, Level::warn,
     "a connection, command or message got a 4xx or 5xx reply; warn: a connection over a limit",
     "at id verb argument limit from to size peer proxy helo listener code reply why held_back "
     "traceparent",
     "if why names a limit, decide whether the limit or the client is wrong"},
    {"refused_more", Level::info, Level::info,
     "a connection ended that had refusals without a line of their own",
     "peer proxy listener count held_back", ""},
    {"auth_failed", Level::info, Level::info,
     "a client gave wrong credentials; user is there only where such a user exists",
     "peer proxy listener mechanism user held_back",
     "many from one peer: contrib/fail2ban bans it"},
    {"proxy_refused", Level::debug, Level::warn,
     "a connection was closed: no valid PROXY header from proxy_protocol_from (debug: nothing "
     "came), "
     "or none of it where tls is \"proxy\"",
     "peer listener why held_back",
     "let the proxy send the header, or remove its network from proxy_protocol_from"},
    {"proxy_check", Level::debug, Level::debug,
     "a proxy connected without a client behind it, as its health checks do", "peer listener", ""},
    {"tls", Level::info, Level::info, "a TLS handshake was completed",
     "peer proxy listener version cipher server_name client_subject client_sha256 client_verified "
     "ms",
     ""},
    {"tls_failed", Level::info, Level::info,
     "a TLS handshake failed, the client left in it, or timeouts.tls passed",
     "peer proxy listener why held_back",
     "look at why: a scanner, an old client, or the certificate"},
    {"certificates_renewed", Level::info, Level::info,
     "certificates were read again, since their files had changed", "certificates not_after", ""},
    {"certificates_kept", Level::error, Level::error,
     "certificates whose files had changed cannot be used; the former ones stay", "why",
     "mend the files that why names; they are looked at every minute"},
    {"cancelled", Level::info, Level::info,
     "the client left before its message was complete, or before an output began to store it",
     "id peer proxy why traceparent", ""},
    {"closed", Level::info, Level::warn,
     "the daemon ended a connection: a time, rate or memory limit, unread replies, or a drain",
     "id peer proxy listener unsent why",
     "warn: raise the limit that why names, or find the client"},
    {"message_dropped", Level::warn, Level::warn,
     "there was no memory or disk for a body; the client gets 452", "id peer proxy why",
     "raise limits.memory or limits.spill, or free the disk"},
    {"replayed", Level::info, Level::error,
     "a fallback's message was delivered; error: it became a dead letter",
     "id copy plugin outcome detail traceparent", "error: lsmtpd spool ls --dead"},
    {"backlog_began", Level::warn, Level::warn,
     "mail went to a fallback, or was there at the start, and waits for its output",
     "fallback outputs waiting reason", "see reason; the output's own lines say more"},
    {"backlog", Level::warn, Level::warn, "each minute while mail waits in a fallback",
     "fallback outputs waiting oldest_s lasted_s delivered reason",
     "mend the broker before the fallback's max_age"},
    {"backlog_gone", Level::info, Level::info, "nothing waits in a fallback any more",
     "fallback lasted_s delivered dead_letters", ""},
    {"fallback_stopped", Level::info, Level::error,
     "error: mail for an output is refused while its oldest waits longer than max_age and it "
     "accepted nothing since; info: no longer",
     "fallback output stopped oldest_s reason",
     "see why the output takes nothing; lsmtpd spool ls"},
    {"replay_skipped", Level::warn, Level::warn,
     "stored messages name an output that no longer exists; one line for each output",
     "copy plugin target hint", "name the output again, or export the message and remove the file"},
    {"late_outcome", Level::info, Level::warn,
     "an output answered after its deadline; warn: the client was told to try again",
     "copy plugin outcome fallback_has_it hint", "raise the plugin's deadline if it happens often"},
    {"plugin_start", Level::warn, Level::warn, "a plugin reported a warning when it started",
     "plugin warning", "read the warning"},
    {"plugin_threw", Level::error, Level::error, "a function of a plugin threw an exception",
     "plugin what times hint", "report it to the plugin's author"},
    {"plugin_stuck", Level::error, Level::error,
     "a plugin leaves so many calls open that it counts as failed", "plugin calls hint",
     "report it to the plugin's author"},
    {"call_not_open", Level::error, Level::error,
     "a plugin completed a call twice, or one that it never got", "plugin what times hint",
     "report it to the plugin's author"},
    {"call_completed_on_instance", Level::error, Level::error,
     "a plugin completed a call on its instance's host instead of the lane's", "plugin hint",
     "report it to the plugin's author"},
    {"calls_left_open", Level::error, Level::error,
     "a plugin closed its lane without completing its calls", "plugin calls hint",
     "report it to the plugin's author"},
    {"lane_closed_twice", Level::error, Level::error, "a plugin closed a lane twice", "plugin hint",
     "report it to the plugin's author"},
    {"lane_closed_unasked", Level::error, Level::error,
     "a plugin closed a lane that it was not asked to close", "plugin worker hint",
     "restart the daemon; report it to the plugin's author"},
    {"verdict_without_size", Level::error, Level::error,
     "a plugin's verdict has no size; it counts as tempfail", "plugin what times hint",
     "report it to the plugin's author"},
    {"memory_released_twice", Level::error, Level::error,
     "a plugin released more memory than it had reserved", "plugin what times hint",
     "report it to the plugin's author"},
    {"verdict_makes_no_sense", Level::error, Level::error,
     "a plugin answered with a verdict that its call cannot have; it counts as tempfail",
     "plugin what times hint", "report it to the plugin's author"},
    {"wrong_thread", Level::error, Level::error,
     "a plugin called a function of the loop on another thread; nothing was done",
     "plugin what times hint", "report it to the plugin's author"},
    {"null_function", Level::error, Level::error, "a plugin passed NULL for a function",
     "plugin what times hint", "report it to the plugin's author"},
    {"message_not_held", Level::error, Level::error,
     "a plugin used a message that it does not hold any more", "plugin what times hint",
     "report it to the plugin's author"},
    {"unpinned_twice", Level::error, Level::error,
     "a plugin unpinned a message more often than it had pinned it", "plugin what times hint",
     "report it to the plugin's author"},
    {"loop_blocked", Level::warn, Level::warn,
     "a function of a plugin kept its worker's loop for more than 200 ms",
     "plugin in worker ms hint", "report it to the plugin's author"},
    {"loop_stuck", Level::error, Level::error,
     "a loop has not turned for 5 s; plugin and in say where it is, unless in the daemon's own "
     "code",
     "worker thread plugin in ms hint",
     "report it to the plugin's author; restart the daemon if it does not end"},
    {"loop_turns_again", Level::warn, Level::warn, "a loop that was stuck goes on",
     "worker thread plugin in ms", "report it to the author of the plugin that it names"},
    {"left_behind", Level::error, Level::error,
     "a plugin closed its lane and left offloaded work, watches, timers, pinned messages or DNS "
     "questions",
     "plugin watches timers messages questions work hint", "report it to the plugin's author"},
    {"memory_left", Level::error, Level::error,
     "a plugin ended without releasing memory that it had reserved", "plugin bytes hint",
     "report it to the plugin's author"},
    {"exit_refused", Level::error, Level::error,
     "a plugin called exit(); the process ends with status 1", "plugin in hint",
     "report it to the plugin's author"},
    {"plugin_reload", Level::warn, Level::warn, "a plugin reported a warning about its new options",
     "plugin warning", "read the warning"},
    {"reloaded", Level::info, Level::info,
     "a new configuration is in force; generations: how many are in use, older ones by sessions",
     "config generation generations", ""},
    {"reload_failed", Level::error, Level::error,
     "a mistake in the new configuration, or something that needs a restart; nothing has changed",
     "config line column why hint", "mend it and reload again, or restart"},
    {"reload_warning", Level::warn, Level::warn, "something doubtful in the new configuration",
     "config line column why hint", "read the warning"},
    {"cannot_listen", Level::error, Level::error,
     "a listener that came with a reload could not listen", "why", "reload again"},
    {"log_reopened", Level::info, Level::info,
     "SIGHUP or SIGUSR1 came, and log.file was opened again", "", ""},
    {"log_reopen_failed", Level::warn, Level::warn,
     "log.file could not be opened again; the old file is still written", "error",
     "check the folder and the permissions of log.file"},
    {"log_overrun", Level::warn, Level::warn,
     "the reader of the log was too slow, and lines were dropped", "dropped total",
     "find out why the log's disk or reader is slow"},
    {"draining", Level::info, Level::info,
     "SIGTERM, SIGINT or lsmtpd ctl drain came; no new connections", "connections", ""},
    {"drained", Level::info, Level::info,
     "after lsmtpd ctl drain: the last session has ended; what is stored still goes to its output",
     "", ""},
    {"ending", Level::warn, Level::warn,
     "the drain ended early: timeouts.drain passed, or a second signal came",
     "why connections plugins", "raise timeouts.drain if transactions were cut off"},
    {"stopped", Level::info, Level::info, "the daemon has ended after a drain", "", ""},
    {"invariant_broken", Level::error, Level::error,
     "a fault of lsmtpd; the session in which it was found got 421", "expression file line",
     "report it with the line"},
    {"cannot_start", Level::error, Level::error, "the daemon could not start", "why",
     "mend what why names"},
};

// Called by consteval constructors only. Not consteval itself: clang 14 does not take a call of one
// consteval function from another in a class template.
constexpr const EventRow& find_event(std::string_view word) {
  for (const EventRow& row : kEvents) {
    if (row.word == word) return row;
  }
  throw "not in the table of events";  // ends the build
}

// The word of a log line: one of the table's, which the compiler looks up, or a plugin's sentence.
class Event {
 public:
  consteval Event(const char* literal) : text_(find_event(literal).word) {}
  static constexpr Event of(const EventRow& row) { return Event(row.word); }
  static Event foreign(std::string_view text) { return Event(text); }

  std::string_view text() const { return text_; }

 private:
  constexpr explicit Event(std::string_view text) : text_(text) {}

  std::string_view text_;
};

// An event of the table that may have this level.
template <Level level>
class EventAt {
 public:
  consteval EventAt(const char* literal) : event_(Event::of(find_event(literal))) {
    const EventRow& row = find_event(literal);
    if (row.level != level && row.other_level != level)
      throw "the table gives this event another level";  // ends the build
  }

  Event event() const { return event_; }

 private:
  Event event_;
};

}  // namespace lsmtpd::log
