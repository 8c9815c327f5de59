// SPDX-License-Identifier: Apache-2.0
#include "app/try.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <optional>

#include "app/ask_alone.hpp"
#include "app/exit_status.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "app/try_options.hpp"
#include "app/try_report.hpp"
#include "base/uuid.hpp"
#include "log/log.hpp"
#include "pipeline/outcome.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kDeadlineMs = 30'000;
constexpr const char* kName = "try";

Result<message::Message> read_message(const TryOptions& options,
                                      message::ResourceLimits& resources) {
  auto envelope = std::make_shared<message::Envelope>();
  envelope->id = new_uuid();
  envelope->time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  envelope->reverse_path = options.from;
  for (const auto& to : options.to) envelope->recipients.push_back({to, {}});
  envelope->helo = options.helo;
  envelope->protocol = "ESMTP";
  envelope->listener = kName;
  envelope->peer_address = options.peer;

  // Mail files mostly have LF line ends; SMTP has CRLF.
  message::BodyWriter writer(resources);
  char buffer[65536];
  bool after_cr = false;
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) {
    std::string piece;
    for (size_t i = 0; i < n; ++i) {
      if (buffer[i] == '\n' && !after_cr) piece += '\r';
      after_cr = buffer[i] == '\r';
      piece += buffer[i];
    }
    if (!writer.append(piece)) return fail("the message does not fit into memory");
    if (writer.wants_flush()) {
      if (auto flushed = writer.flush(); !flushed) return tl::unexpected(flushed.error());
    }
  }
  message::Message message;
  message.envelope = envelope;
  message.body = writer.finish();
  return message;
}

// A verdict that makes no sense from a filter is a tempfail, as in a chain.
void change_nonsense(plugin::Completion& answer, bool may_discard) {
  const auto kind = answer.verdict.kind;
  if (kind == plugin::Kind::stored || (kind == plugin::Kind::discard && !may_discard))
    pipeline::change_kind(answer.verdict, plugin::Kind::tempfail);
}

struct PhaseName {
  message::Phase phase;
  const char* name;
};
constexpr PhaseName kPhases[] = {
    {message::Phase::connect, "connect"}, {message::Phase::helo, "helo"},
    {message::Phase::mail, "mail"},       {message::Phase::rcpt, "rcpt"},
    {message::Phase::data, "data"},
};

// Runs one message as a client would send it: the phases, then the filter, then the output.
class Trial {
 public:
  Trial(plugin::Instance& instance, message::Message message)
      : instance_(instance), message_(std::move(message)) {
    if (instance_.session_filter()) add_phases();
    if (instance_.filter()) add_filter();
    if (instance_.output()) add_output();
  }

  const std::vector<Step>& steps() const { return steps_; }
  const message::Message& message() const { return message_; }
  // Whether the last verdict that counts let the message through.
  bool last_is_good() const { return last_is_good_; }

 private:
  void add_phases() {
    for (const auto& [phase, name] : kPhases) {
      if (!(instance_.session_filter()->phases & static_cast<uint32_t>(phase))) continue;
      const size_t times = phase == message::Phase::rcpt ? message_.envelope->recipients.size() : 1;
      for (size_t i = 1; i <= times; ++i) add_phase(phase, name, i);
    }
  }

  // At RCPT number `count` that recipient is the last one.
  void add_phase(message::Phase phase, const char* name, size_t count) {
    auto known = std::make_shared<message::Envelope>(*message_.envelope);
    if (phase != message::Phase::data)
      known->recipients.resize(phase == message::Phase::rcpt ? count : 0);
    steps_.push_back(
        {[this, phase, known](plugin::Lane& lane, plugin::Done done, plugin::CallId& call) {
           const plugin::SessionEvent event{.phase = phase,
                                            .session = 1,
                                            .envelope = known,
                                            .annotations = message_.annotations,
                                            .deadline_ms = kDeadlineMs};
           return lane.decide(event, std::move(done), call);
         },
         [this, phase, name](plugin::Completion& answer) {
           change_nonsense(answer, false);
           last_is_good_ = is_good(answer);
           std::printf("phase: %s\n", name);
           print_verdict(answer, pipeline::to_reply(answer.verdict, phase));
           if (answer.annotations) message_.annotations = answer.annotations;
           return last_is_good_;
         }});
  }

  void add_filter() {
    steps_.push_back({[this](plugin::Lane& lane, plugin::Done done, plugin::CallId& call) {
                        if (!instance_.output()) print_admission(lane);
                        return lane.filter(message_, kDeadlineMs, std::move(done), call);
                      },
                      [this](plugin::Completion& answer) {
                        change_nonsense(answer, true);
                        last_is_good_ = is_good(answer);
                        print_verdict(answer,
                                      pipeline::to_reply(answer.verdict, pipeline::Role::filter));
                        if (answer.message) message_ = *answer.message;
                        return answer.verdict.kind == plugin::Kind::proceed ||
                               answer.verdict.kind == plugin::Kind::accept;
                      }});
  }

  void add_output() {
    steps_.push_back(
        {[this](plugin::Lane& lane, plugin::Done done, plugin::CallId& call) {
           print_admission(lane);
           return lane.deliver(message_,
                               {.copy_id = message_.envelope->id, .deadline_ms = kDeadlineMs},
                               std::move(done), call);
         },
         [this](const plugin::Completion& answer) {
           last_is_good_ = is_good(answer);
           print_verdict(answer, pipeline::to_reply(answer.verdict, pipeline::Role::output));
           print_recipients(answer, message_);
           return false;
         },
         true});
  }

  plugin::Instance& instance_;
  message::Message message_;
  std::vector<Step> steps_;
  bool last_is_good_ = true;
};

}  // namespace

int run_try(const std::string& file, const TryOptions& options) {
  ignore_fatal_signals();
  std::vector<std::string> folders;
  if (!file.empty()) {
    const auto loaded = load_config(file);
    show(loaded.diagnostics, loaded.config.file);
    if (!loaded.ok()) return kExitUsage;
    folders = loaded.config.server.plugin_path;
  }
  config::Config config;
  config.file = "lsmtpd try";
  config.server.hostname = "localhost";
  config.server.workers = 1;
  config.server.plugin_path = folders;
  config.limits.connections = 0;  // nobody connects
  const auto library = plugin::Library::load(options.plugin, plugin::plugin_path(folders));
  if (!library) {
    std::fprintf(stderr, "lsmtpd: %s\n", library.error().message.c_str());
    return kExitUsage;
  }
  config::Plugin entry;
  entry.name = kName;
  entry.use = options.plugin;
  for (const auto& given : options.options) set_option(entry, (*library)->options(), given);
  config.plugins.push_back(entry);

  Setup setup(config);
  std::vector<config::Diagnostic> diagnostics;
  setup.load(diagnostics);
  show(diagnostics, config.file);
  if (has_errors(diagnostics)) return kExitUsage;
  plugin::Instance& instance = *setup.instances().at(kName);
  if (!instance.output() && !instance.filter() && !instance.session_filter()) {
    std::fprintf(stderr, "lsmtpd: %s neither filters nor stores messages\n",
                 options.plugin.c_str());
    return kExitUsage;
  }
  const auto message = read_message(options, setup.resources());
  std::string problem = message ? "" : message.error().message;
  std::optional<plugin::Completion> answer;
  std::optional<Trial> trial;
  if (message) {
    trial.emplace(instance, *message);
    answer = ask_alone(instance, kDeadlineMs, trial->steps(), problem);
  }
  if (!answer) {
    std::fflush(stdout);
    std::fprintf(stderr, "lsmtpd: %s\n", problem.c_str());
    return kExitFailed;
  }
  if (options.show) print_message(trial->message());
  return trial->last_is_good() ? kExitOk : kExitFailed;
}

}  // namespace lsmtpd::app
