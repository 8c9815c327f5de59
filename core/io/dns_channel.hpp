// SPDX-License-Identifier: Apache-2.0
// One channel of c-ares on a loop: its sockets are watched there. [loop]
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.hpp"
#include "io/dns_message.hpp"

struct ares_channeldata;

namespace lsmtpd::io {

class Loop;
class Watch;

class DnsChannel {
 public:
  // The octets of an answer, or none, and then c-ares' reason.
  using Answered = void (*)(void* data, int status, std::string_view message);

  // `servers` as c-ares has them: "ADDRESS:PORT,..."; empty: the system's. `acted` is called after
  // c-ares dealt with a socket: until_timeout() may be another one then.
  DnsChannel(Loop& loop, const std::string& servers, std::function<void()> acted);
  ~DnsChannel();  // calls back for each question that is under way
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;
  bool ok() const { return handle_ != nullptr; }  // false: nothing else may be called

  std::vector<std::string> servers() const;  // ADDRESS:PORT
  // `answered` comes exactly once, from inside ask() too.
  void ask(const std::string& name, DnsType type, Answered answered, void* data);
  std::optional<uint64_t> until_timeout() const;  // ms until time_passed() has work
  void time_passed();

  static bool is_timeout(int status);
  static std::string reason(int status);

 private:
  struct Watched {
    UniqueFd fd;  // a duplicate, as c-ares closes its own when it likes
    std::unique_ptr<Watch> watch;
  };
  void socket_state(int fd, bool readable, bool writable);
  void process(int fd, int events);

  Loop& loop_;
  std::function<void()> acted_;
  ares_channeldata* handle_ = nullptr;
  std::unordered_map<int, Watched> sockets_;
};

}  // namespace lsmtpd::io
