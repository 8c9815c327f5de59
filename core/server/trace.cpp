// SPDX-License-Identifier: Apache-2.0
#include "server/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace lsmtpd::server {

namespace {

constexpr size_t kLongestLine = 2048;
constexpr std::string_view kHidden = "(not shown)";

}  // namespace

SessionTrace::SessionTrace(std::string session, std::string_view replies, Reservation memory)
    : session_(std::move(session)), seen_(replies.size()), memory_(std::move(memory)) {}

void SessionTrace::watch(const std::shared_ptr<const Trace>& trace) {
  const auto same = [&](const Watching& each) { return each.trace == trace; };
  if (std::any_of(watching_.begin(), watching_.end(), same)) return;
  watching_.push_back({trace, trace->to.empty()});
}

bool SessionTrace::stop(const Trace& trace) {
  std::erase_if(watching_, [&](const Watching& each) { return each.trace.get() == &trace; });
  return !watching_.empty();
}

void SessionTrace::event(std::string_view text) {
  say("*", text);
}

void SessionTrace::sent(std::string_view replies) {
  catch_up(replies);
  seen_ = 0;
}

void SessionTrace::command(const smtp::Command& command, std::string_view line,
                           std::string_view replies) {
  catch_up(replies);
  switch (command.verb) {
    case smtp::Verb::unknown:
    case smtp::Verb::missing:
      return say("C:", fmt::format("(no command of ours, {} octets)", line.size()));
    case smtp::Verb::auth: {
      const std::string_view rest = command.argument;
      const size_t blank = rest.find_first_of(" \t");
      return say("C:", fmt::format("AUTH {}{}", rest.substr(0, blank),
                                   blank == rest.npos ? "" : fmt::format(" {}", kHidden)));
    }
    case smtp::Verb::rcpt:
      recipient(command.argument);
      break;
    default:
      break;
  }
  say("C:", line.substr(0, kLongestLine));
}

void SessionTrace::hidden(std::string_view what, std::string_view replies) {
  catch_up(replies);
  say("C:", what);
}

void SessionTrace::catch_up(std::string_view replies) {
  std::string_view rest = replies.substr(std::min(seen_, replies.size()));
  seen_ = replies.size();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(std::min(rest.size(), line.size() + 2));
    say("S:", line.starts_with("334 ") ? fmt::format("334 {}", kHidden) : std::string(line));
  }
}

void SessionTrace::say(std::string_view who, std::string_view text) {
  std::string line = fmt::format("{} {}", who, escape_sentence(text));
  bool keep = false;
  for (const auto& each : watching_) {
    if (each.live) each.trace->write(session_, line);
    keep = keep || !each.live;
  }
  if (!keep || line.size() > memory_.held()) return;
  kept_octets_ += line.size();
  kept_.push_back(std::move(line));
  while (kept_octets_ > memory_.held()) {
    kept_octets_ -= kept_.front().size();
    kept_.pop_front();
  }
}

void SessionTrace::recipient(std::string_view argument) {
  bool waiting = false;
  for (auto& each : watching_) {
    if (!each.live && names_recipient(argument, each.trace->to)) {
      each.live = true;
      for (const auto& line : kept_) each.trace->write(session_, line);
    }
    waiting = waiting || !each.live;
  }
  if (waiting) return;
  kept_.clear();
  kept_octets_ = 0;
}

bool names_recipient(std::string_view argument, std::string_view to) {
  const size_t open = argument.find('<');
  if (open == argument.npos) return false;
  std::string_view path = argument.substr(open + 1);
  path = path.substr(0, path.rfind('>'));
  if (path.starts_with('@') && path.find(':') != path.npos)  // a source route (RFC 5321 C)
    path.remove_prefix(path.find(':') + 1);
  if (!to.starts_with('@')) return equals_ignoring_case(path, to);
  return path.size() >= to.size() && equals_ignoring_case(path.substr(path.size() - to.size()), to);
}

}  // namespace lsmtpd::server
