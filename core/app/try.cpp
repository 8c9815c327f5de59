// SPDX-License-Identifier: Apache-2.0
#include "app/try.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include "app/ask_alone.hpp"
#include "app/daemon.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "app/try_options.hpp"
#include "base/text.hpp"
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

const char* kind_name(plugin::Kind kind) {
  switch (kind) {
    case plugin::Kind::proceed:
      return "continue";
    case plugin::Kind::accept:
      return "accept";
    case plugin::Kind::stored:
      return "stored";
    case plugin::Kind::reject:
      return "reject";
    case plugin::Kind::discard:
      return "discard";
    case plugin::Kind::failed:
      return "failed";
    default:
      return "tempfail";
  }
}

bool is_good(const plugin::Completion& completion) {
  const auto kind = completion.verdict.kind;
  return kind == plugin::Kind::proceed || kind == plugin::Kind::accept ||
         kind == plugin::Kind::stored || kind == plugin::Kind::discard;
}

// As a client gets it: each line of the text with the codes, all but the last with a hyphen.
void print_reply(const smtp::Reply& reply) {
  for (size_t at = 0; at <= reply.text.size();) {
    const size_t end = std::min(reply.text.find('\n', at), reply.text.size());
    std::printf("reply: %d%c%s %s\n", reply.code, end < reply.text.size() ? '-' : ' ',
                reply.enhanced.c_str(), reply.text.substr(at, end - at).c_str());
    at = end + 1;
  }
}

// The verdict that counts: one that makes no sense from a filter is a tempfail, as in a chain.
plugin::Completion counted(plugin::Completion answer, bool may_discard) {
  const auto kind = answer.verdict.kind;
  if (kind == plugin::Kind::stored || (kind == plugin::Kind::discard && !may_discard))
    pipeline::change_kind(answer.verdict, plugin::Kind::tempfail);
  return answer;
}

// The recipients' own verdicts, where an output answered so.
void print_recipients(const plugin::Completion& answer, const message::Message& message) {
  const auto& recipients = message.envelope->recipients;
  for (size_t i = 0; i < answer.recipients.size() && i < recipients.size(); ++i) {
    const plugin::Verdict& verdict = answer.recipients[i];
    std::printf("recipient: <%s> %s\n", recipients[i].address.c_str(), kind_name(verdict.kind));
    if (verdict.kind != plugin::Kind::stored)
      print_reply(pipeline::to_reply(verdict, pipeline::Speaker::output));
    if (!verdict.detail.empty())
      std::printf("detail: %s\n", escape_for_log(verdict.detail).c_str());
  }
}

// Prints how the plugin answers the questions that a chain asks at EHLO and MAIL.
void print_admission(plugin::Lane& lane) {
  if (!lane.instance().admission()) return;
  const plugin::Admission admission = lane.admission();
  std::printf("admission: %s\n", admission.ready ? "ready" : "not ready");
  if (admission.max_message_size)
    std::printf("size limit: %llu\n", static_cast<unsigned long long>(admission.max_message_size));
  if (!admission.reason.empty())
    std::printf("detail: %s\n", escape_for_log(admission.reason).c_str());
}

// `reply` is what stands for the verdict where it refuses.
void print_verdict(const plugin::Completion& completion, const smtp::Reply& reply) {
  std::printf("verdict: %s\n", kind_name(completion.verdict.kind));
  if (!is_good(completion)) print_reply(reply);
  if (!completion.verdict.detail.empty())
    std::printf("detail: %s\n", escape_for_log(completion.verdict.detail).c_str());
}

void print_message(const message::Message& message) {
  for (const auto& r : message.envelope->recipients)
    std::printf("recipient: <%s>\n", r.address.c_str());
  std::printf("\n");
  char buffer[65536];
  uint64_t offset = 0;
  for (int64_t n; (n = message.read(offset, buffer, sizeof buffer)) > 0;
       offset += static_cast<uint64_t>(n)) {
    std::fwrite(buffer, 1, static_cast<size_t>(n), stdout);
  }
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
    if (instance_.session()) add_phases();
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
      if (!(instance_.session()->phases & static_cast<uint32_t>(phase))) continue;
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
                                            .envelope = known.get(),
                                            .annotations = message_.annotations,
                                            .deadline_ms = kDeadlineMs};
           return lane.decide(event, std::move(done), call);
         },
         [this, phase, name](const plugin::Completion& given) {
           const plugin::Completion answer = counted(given, false);
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
                      [this](const plugin::Completion& answer) {
                        const plugin::Completion shown = counted(answer, true);
                        last_is_good_ = is_good(shown);
                        print_verdict(shown,
                                      pipeline::to_reply(shown.verdict, pipeline::Speaker::filter));
                        if (answer.message) message_ = *answer.message;
                        return shown.verdict.kind == plugin::Kind::proceed ||
                               shown.verdict.kind == plugin::Kind::accept;
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
           print_verdict(answer, pipeline::to_reply(answer.verdict, pipeline::Speaker::output));
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
  if (!instance.output() && !instance.filter() && !instance.session()) {
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
