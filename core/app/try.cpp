// SPDX-License-Identifier: Apache-2.0
#include "app/try.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "app/ask_alone.hpp"
#include "app/daemon.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "base/text.hpp"
#include "base/uuid.hpp"
#include "log/log.hpp"
#include "pipeline/outcome.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kDeadlineMs = 30'000;
constexpr const char* kName = "try";

// "key=value" as the type in the plugin's table would have it in TOML; "map.key=value" for maps,
// commas in lists.
void set_option(config::Plugin& entry, const lsmtpd_options_1* table, const std::string& given) {
  const size_t equals = given.find('=');
  std::string key = given.substr(0, equals), item;
  const std::string value = equals == std::string::npos ? "true" : given.substr(equals + 1);
  if (const size_t dot = key.find('.'); dot != std::string::npos) {
    item = key.substr(dot + 1);
    key.resize(dot);
  }
  uint32_t type = LSMTPD_TYPE_STRING;
  for (uint32_t i = 0; table && i < table->count; ++i) {
    if (key == table->options[i].key) type = table->options[i].type;
  }
  auto& slot = entry.options[key].value.value;
  int64_t number = 0;
  if (type == LSMTPD_TYPE_BOOL && (value == "true" || value == "false")) {
    slot = value == "true";
  } else if (type == LSMTPD_TYPE_INT &&
             std::from_chars(value.data(), value.data() + value.size(), number).ptr ==
                 value.data() + value.size()) {
    slot = number;
  } else if (type == LSMTPD_TYPE_LIST) {
    config::OptionValue::List list;
    for (size_t at = 0; at <= value.size();) {
      const size_t comma = std::min(value.find(',', at), value.size());
      list.push_back({value.substr(at, comma - at), {}});
      at = comma + 1;
    }
    slot = std::move(list);
  } else if (type == LSMTPD_TYPE_MAP) {
    if (!std::holds_alternative<config::OptionValue::Map>(slot)) slot = config::OptionValue::Map();
    std::get<config::OptionValue::Map>(slot)[item] = {value, {}};
  } else {
    slot = value;
  }
}

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

// `shown`: what --show prints, or null.
int print(const plugin::Completion& completion, bool is_output, const message::Message* shown) {
  const auto& verdict = completion.verdict;
  std::printf("verdict: %s\n", kind_name(verdict.kind));
  const bool good = verdict.kind == plugin::Kind::proceed || verdict.kind == plugin::Kind::stored ||
                    verdict.kind == plugin::Kind::discard;
  if (!good) {
    const auto reply = pipeline::to_reply(
        verdict, is_output ? pipeline::Speaker::output : pipeline::Speaker::filter);
    std::printf("reply: %d %s %s\n", reply.code, reply.enhanced.c_str(), reply.text.c_str());
  }
  if (!verdict.detail.empty()) std::printf("detail: %s\n", escape_for_log(verdict.detail).c_str());
  if (shown) {
    for (const auto& r : shown->envelope->recipients)
      std::printf("recipient: <%s>\n", r.address.c_str());
    std::printf("\n");
    char buffer[65536];
    uint64_t offset = 0;
    for (int64_t n; (n = shown->read(offset, buffer, sizeof buffer)) > 0;
         offset += static_cast<uint64_t>(n)) {
      std::fwrite(buffer, 1, static_cast<size_t>(n), stdout);
    }
  }
  return good ? kExitOk : kExitFailed;
}

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
  if (!instance.output() && !instance.filter()) {
    std::fprintf(stderr, "lsmtpd: %s neither filters nor stores messages\n",
                 options.plugin.c_str());
    return kExitUsage;
  }
  const auto message = read_message(options, setup.resources());
  std::string problem = message ? "" : message.error().message;
  std::optional<plugin::Completion> answer;
  if (message) {
    answer = ask_alone(
        instance, kDeadlineMs,
        [&](plugin::Lane& lane, plugin::Done done, lsmtpd_call& call) {
          const plugin::Delivery delivery{message->envelope->id, {}, kDeadlineMs, false};
          return instance.output() ? lane.deliver(*message, delivery, std::move(done), call)
                                   : lane.filter(*message, std::move(done), call);
        },
        problem);
  }
  if (!answer) {
    std::fprintf(stderr, "lsmtpd: %s\n", problem.c_str());
    return kExitFailed;
  }
  // As in a chain: "stored" makes no sense from a filter.
  if (!instance.output() && answer->verdict.kind == plugin::Kind::stored) {
    answer->verdict.kind = plugin::Kind::tempfail;
  }
  const message::Message& after = answer->message ? *answer->message : *message;
  return print(*answer, instance.output() != nullptr, options.show ? &after : nullptr);
}

}  // namespace lsmtpd::app
