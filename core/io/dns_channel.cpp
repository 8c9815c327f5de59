// SPDX-License-Identifier: Apache-2.0
#include "io/dns_channel.hpp"

// c-ares 1.34 calls functions deprecated that 1.18 has no others for.
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <fcntl.h>
#include <sys/time.h>

#include <mutex>

#include "base/network.hpp"
#include "io/loop.hpp"

namespace lsmtpd::io {

namespace {

constexpr int kTryMs = 1500;  // c-ares makes it longer with each round
constexpr int kTries = 2;
constexpr size_t kMostServers = 8;
constexpr int kDnsPort = 53;
constexpr int kClassInternet = 1;

struct Asked {
  DnsChannel::Answered answered;
  void* data;
};

}  // namespace

DnsChannel::DnsChannel(Loop& loop, const std::string& servers, std::function<void()> acted)
    : loop_(loop), acted_(std::move(acted)) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options options{};
  // Answers are checked by DnsResolver, because c-ares would hide which rcode there was.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
#ifdef ARES_FLAG_DNS0x20
  options.flags |= ARES_FLAG_DNS0x20;
#endif
  options.timeout = kTryMs;
  options.tries = kTries;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<DnsChannel*>(self)->socket_state(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
  options.qcache_max_ttl = 0;
  mask |= ARES_OPT_QUERY_CACHE;
#endif
#ifdef ARES_OPT_UDP_MAX_QUERIES
  options.udp_max_queries = 16;  // then another port
  mask |= ARES_OPT_UDP_MAX_QUERIES;
#endif
  if (ares_init_options(&handle_, &options, mask) != ARES_SUCCESS) {
    handle_ = nullptr;
  } else if (!servers.empty() &&
             ares_set_servers_ports_csv(handle_, servers.c_str()) != ARES_SUCCESS) {
    ares_destroy(handle_);
    handle_ = nullptr;
  }
}

DnsChannel::~DnsChannel() {
  if (handle_) ares_destroy(handle_);
}

void DnsChannel::socket_state(int fd, bool readable, bool writable) {
  if (!readable && !writable) {
    sockets_.erase(fd);
    return;
  }
  auto& watched = sockets_[fd];
  if (!watched.watch) {
    watched.fd = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!watched.fd) return;  // no descriptors: its deadline ends the question
    watched.watch = std::make_unique<Watch>(loop_, watched.fd.get(),
                                            [this, fd](int events) { process(fd, events); });
  }
  watched.watch->want((readable ? Watch::kReadable : 0) | (writable ? Watch::kWritable : 0));
}

void DnsChannel::process(int fd, int events) {
  const bool error = (events & Watch::kError) != 0;
  ares_process_fd(handle_, (events & Watch::kReadable) || error ? fd : ARES_SOCKET_BAD,
                  (events & Watch::kWritable) || error ? fd : ARES_SOCKET_BAD);
  acted_();
}

std::vector<std::string> DnsChannel::servers() const {
  std::vector<std::string> all;
  ares_addr_port_node* list = nullptr;
  if (ares_get_servers_ports(handle_, &list) != ARES_SUCCESS) return all;
  for (const auto* at = list; at && all.size() < kMostServers; at = at->next) {
    const int port = at->udp_port != 0 ? at->udp_port : kDnsPort;
    all.push_back(format_socket_address(at->family, &at->addr, static_cast<uint16_t>(port)));
  }
  ares_free_data(list);
  return all;
}

void DnsChannel::ask(const std::string& name, DnsType type, Answered answered, void* data) {
  auto asked = std::make_unique<Asked>(Asked{answered, data});
  ares_query(
      handle_, name.c_str(), kClassInternet, static_cast<int>(type),
      [](void* self, int status, int, unsigned char* octets, int size) {
        const std::unique_ptr<Asked> own(static_cast<Asked*>(self));
        own->answered(own->data, status,
                      {reinterpret_cast<const char*>(octets),
                       octets && size > 0 ? static_cast<size_t>(size) : 0});
      },
      asked.release());
}

std::optional<uint64_t> DnsChannel::until_timeout() const {
  timeval wait{};
  if (!ares_timeout(handle_, nullptr, &wait)) return std::nullopt;
  return static_cast<uint64_t>(wait.tv_sec) * 1000 +
         (static_cast<uint64_t>(wait.tv_usec) + 999) / 1000;
}

void DnsChannel::time_passed() {
  ares_process_fd(handle_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

bool DnsChannel::is_timeout(int status) {
  return status == ARES_ETIMEOUT;
}

std::string DnsChannel::reason(int status) {
  return ares_strerror(status);
}

}  // namespace lsmtpd::io
