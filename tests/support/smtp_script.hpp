// SPDX-License-Identifier: Apache-2.0
// Plays a script of SMTP against a Session the way server::Connection drives it, and compares what
// comes out. A script is lines, each played whole, octet by octet, and cut at random places; all
// must come out the same:
//     C: MAIL FROM:<a@b>      sent, CRLF added
//     R: a\rb\n\0\x80         sent as it is, no CRLF added; C: knows these escapes too
//     S: 250 2.1.0            the next line of replies begins so
//     M: Subject: x\r\n       the next message stored has this content; no M: none may be stored
//     X:                      the session closes at the end; without it, it must stay open
// Blank lines and lines that begin with # are for the reader.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/session.hpp"

namespace lsmtpd::test {

// The caller of the session: by default everything is allowed and every message is stored.
struct Host {
  uint64_t size_limit = 0;
  // For each action that waits for an answer: a reply refuses (or finishes), none proceeds.
  std::function<std::optional<smtp::Reply>(smtp::Action, const smtp::Session&)> answer = nullptr;
  bool xclient = false;     // the peer may name other clients
  uint32_t mechanisms = 0;  // of AUTH
  bool require_auth = false;
  std::shared_ptr<const message::Tls> tls = {};
  // Answers AUTH: the user's name, or empty: refused.
  std::function<std::string(smtp::Credentials&)> users = nullptr;
};

inline Host limited(uint64_t octets) {
  Host host;
  host.size_limit = octets;
  return host;
}

struct Stored {
  message::Envelope envelope = {};
  std::string body = {};
};

struct Played {
  std::string replies = {};
  std::vector<Stored> messages = {};
  std::vector<std::string> refusals = {};
  unsigned discarded = 0;
  bool closed = false;
};

class Player {
 public:
  Player(const smtp::Settings& settings, Host host)
      : settings_(settings), host_(std::move(host)), session_(settings_) {
    session_.set_origin("mx", "192.0.2.1", 4711);
    if (host_.xclient) session_.allow_xclient();
    if (host_.mechanisms) session_.offer_auth(host_.mechanisms, host_.require_auth);
    if (host_.tls) session_.set_proxy("192.0.2.2", host_.tls);
    feed({});
  }

  // False: the session asked to close.
  bool feed(std::string_view input) {
    while (!played_.closed) {
      const smtp::Action action = session_.next(input);
      if (action == smtp::Action::need_input) {
        EXPECT_TRUE(input.empty());
        break;
      }
      perform(action);
    }
    played_.replies += std::exchange(session_.replies(), {});
    return !played_.closed;
  }

  smtp::Session& session() { return session_; }
  const Played& played() const { return played_; }

 private:
  void perform(smtp::Action action) {
    switch (action) {
      case smtp::Action::body:
        EXPECT_TRUE(storing_);
        EXPECT_FALSE(session_.body().empty());
        body_ += session_.body();
        break;
      case smtp::Action::body_discard:
        EXPECT_TRUE(std::exchange(storing_, false));
        body_.clear();
        ++played_.discarded;
        break;
      case smtp::Action::body_end:
        store();
        break;
      case smtp::Action::refused:
        EXPECT_FALSE(session_.refusal().why.empty());
        played_.refusals.emplace_back(session_.refusal().why);
        break;
      case smtp::Action::new_client:
        break;
      case smtp::Action::authenticate:
        authenticate();
        break;
      case smtp::Action::close:
        played_.closed = true;
        break;
      default:
        decide(action);
    }
  }

  void decide(smtp::Action action) {
    session_.set_size_limit(host_.size_limit);
    const auto reply = host_.answer ? host_.answer(action, session_) : std::nullopt;
    if (reply) return session_.refuse(*reply);
    if (action == smtp::Action::phase_mail) session_.begin_transaction("an-id", 1);
    if (action == smtp::Action::body_start) storing_ = true;
    session_.proceed();
  }

  void authenticate() {
    const std::string user = host_.users ? host_.users(session_.credentials()) : std::string();
    if (user.empty()) return session_.auth_failed(make(smtp::replies::kAuthFailed));
    session_.authenticated(user);
  }

  void store() {
    EXPECT_TRUE(std::exchange(storing_, false));
    const auto reply = host_.answer ? host_.answer(smtp::Action::body_end, session_) : std::nullopt;
    Stored stored{session_.take_envelope(), std::exchange(body_, {})};
    if (!reply) played_.messages.push_back(std::move(stored));
    session_.finish(reply.value_or(smtp::Reply{250, "2.0.0", "Ok: queued as an-id"}));
  }

  const smtp::Settings settings_;
  Host host_;
  smtp::Session session_;
  Played played_;
  std::string body_;
  bool storing_ = false;
};

// Sends `input` in pieces of the sizes that `next_size` gives.
template <class NextSize>
Played play(const smtp::Settings& settings, const Host& host, std::string_view input,
            NextSize next_size) {
  Player player(settings, host);
  while (!input.empty()) {
    const std::string piece(input.substr(0, next_size()));  // a copy: ASan sees views kept too long
    input.remove_prefix(piece.size());
    if (!player.feed(piece)) break;
  }
  return player.played();
}

inline Played play_whole(const smtp::Settings& settings, const Host& host, std::string_view input) {
  return play(settings, host, input, [&] { return input.size(); });
}

inline Played play_octets(const smtp::Settings& settings, const Host& host,
                          std::string_view input) {
  return play(settings, host, input, [] { return size_t{1}; });
}

inline Played play_random(const smtp::Settings& settings, const Host& host, std::string_view input,
                          unsigned seed) {
  std::mt19937 random(seed);
  return play(settings, host, input, [&] {
    const unsigned most = 1u << random() % 12;
    return size_t{1} + random() % most;
  });
}

inline std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default:
        out += text[i];
    }
  }
  return out;
}

inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

struct Script {
  std::string input = {};
  std::vector<std::string> replies = {};
  std::vector<std::string> messages = {};
  bool closes = false;

  explicit Script(std::string_view text) {
    for (std::string& line : lines_of(text)) {
      line.erase(0, line.find_first_not_of(' '));
      if (line.empty() || line[0] == '#') continue;
      add(line[0], line.size() > 3 ? line.substr(3) : "");
    }
  }

 private:
  void add(char kind, const std::string& text) {
    if (kind == 'C') input += unescape(text) + "\r\n";
    if (kind == 'R') input += unescape(text);
    if (kind == 'S') replies.push_back(text);
    if (kind == 'M') messages.push_back(unescape(text));
    if (kind == 'X') closes = true;
    if (std::string_view("CRSMX").find(kind) == std::string_view::npos) {
      ADD_FAILURE() << "no such line in a script: " << kind << ": " << text;
    }
  }
};

inline void compare(const Script& script, const Played& played, const std::string& how) {
  SCOPED_TRACE(how);
  const std::vector<std::string> replies = lines_of(played.replies);
  for (size_t i = 0; i < std::max(replies.size(), script.replies.size()); ++i) {
    const std::string expected = i < script.replies.size() ? script.replies[i] : "(nothing more)";
    const std::string actual = i < replies.size() ? replies[i] : "(no reply)";
    EXPECT_EQ(actual.substr(0, expected.size()), expected) << "reply " << i << ": " << actual;
    if (i < replies.size()) {
      EXPECT_EQ(actual.back(), '\r');
    }
  }
  ASSERT_EQ(played.messages.size(), script.messages.size());
  for (size_t i = 0; i < script.messages.size(); ++i) {
    EXPECT_EQ(played.messages[i].body, script.messages[i]) << "message " << i;
  }
  EXPECT_EQ(played.closed, script.closes);
}

// Plays it in every way, and returns the result of the uncut run.
inline Played expect_script(std::string_view text, const smtp::Settings& settings,
                            const Host& host = {}) {
  const Script script(text);
  const Played whole = play_whole(settings, host, script.input);
  compare(script, whole, "whole");
  const Played octets = play_octets(settings, host, script.input);
  compare(script, octets, "octet by octet");
  EXPECT_EQ(octets.refusals, whole.refusals);
  for (unsigned seed = 1; seed <= 8; ++seed) {
    compare(script, play_random(settings, host, script.input, seed),
            "cut at random, seed " + std::to_string(seed));
  }
  return whole;
}

inline smtp::Settings test_settings() {
  return {.hostname = "mx.test",
          .lmtp = false,
          .normalize_bare_lf = false,
          .recipients = 1000,
          .commands = 1000,
          .errors = 20,
          .received_headers = 100,
          .starttls = false,
          .require_tls = false,
          .traceparent = false};
}

}  // namespace lsmtpd::test
