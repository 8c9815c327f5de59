// SPDX-License-Identifier: Apache-2.0
#include "amqp_options.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace lsmtpd::amqp {

namespace {

// AMQP_BUFFER_SIZE of LSMTPD's package is 10: every round trip to the broker would wait for ten
// messages.
constexpr std::uint32_t kInFlightFloor = 100;
constexpr std::size_t kLongestPassword = 4096;

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    urls();
    target();
    sasl();
    tls();
    names();
    limits();
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void urls() {
    for (const std::string_view item : config_.list("urls")) {
      auto url = parse_url(item);
      if (url) {
        out_.urls.push_back(*std::move(url));
      } else {
        error("urls", "\"" + without_credentials(item) + "\": " + url.error());
      }
    }
    if (out_.urls.empty() && good_) error("urls", "at least one broker is needed");
  }

  void parse_template(const char* key, Template* out) {
    auto parsed = Template::parse(config_.string(key));
    if (parsed) {
      *out = *std::move(parsed);
    } else {
      error(key, parsed.error());
    }
  }

  void target() {
    const bool address = !config_.string("address").empty();
    const bool exchange = !config_.string("exchange").empty();
    const bool key = !config_.string("routing_key").empty();
    if (address && (exchange || key))
      error("address", "stands beside `exchange` or `routing_key`: name the target once");
    if (!address && !exchange && !key) error("address", "missing: where do the messages go?");
    out_.by_exchange = !address;
    parse_template("address", &out_.address);
    parse_template("exchange", &out_.exchange);
    parse_template("routing_key", &out_.routing_key);
    out_.split = config_.string("split") == "recipient";
    out_.format = config_.string("format") == "rfc822" ? Format::rfc822 : Format::json;
    out_.extra = config_.boolean("extra");
    const bool splits = out_.split || out_.address.by_recipient() || out_.exchange.by_recipient() ||
                        out_.routing_key.by_recipient();
    out_.copy_message_id =
        config_.is_set("message_id") ? config_.string("message_id") == "copy" : splits;
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
  }

  void sasl() {
    out_.username = text("username");
    out_.password = text("password");
    out_.password_file = text("password_file");
    const bool secret = !out_.password.empty() || !out_.password_file.empty();
    if (!out_.password.empty() && !out_.password_file.empty())
      error("password_file", "stands beside `password`");
    if (secret && out_.username.empty()) error("username", "missing: there is a password");
    for (const std::string_view name : config_.list("sasl")) {
      out_.mechanisms.append(out_.mechanisms.empty() ? "" : " ").append(name);
    }
    if (out_.mechanisms.empty()) {
      const bool certificate = config_.is_set("tls_certificate");
      out_.mechanisms = !out_.username.empty() ? "PLAIN" : certificate ? "EXTERNAL" : "ANONYMOUS";
    }
    const bool clear = std::any_of(out_.urls.begin(), out_.urls.end(), [](const Url& url) {
      const bool own = is_address(url.host) && (url.host.starts_with("127.") || url.host == "::1");
      return !url.tls && url.host != "localhost" && !own;
    });
    if (clear && secret)
      report_.warning("urls", "the password crosses the network in clear text: use amqps://");
  }

  void tls() {
    TlsOptions& tls = out_.tls;
    tls.ca = text("tls_ca");
    tls.certificate = text("tls_certificate");
    tls.key = text("tls_key");
    tls.key_password = text("tls_key_password");
    tls.name = text("tls_name");
    const auto verify = config_.string("tls_verify");
    tls.verify = verify == "none"          ? Verify::none
                 : verify == "certificate" ? Verify::certificate
                                           : Verify::name;
    tls.only_1_3 = config_.string("tls_min_version") == "1.3";
    if (tls.certificate.empty() != tls.key.empty()) {
      error(tls.key.empty() ? "tls_key" : "tls_certificate",
            "missing: certificate and key go together");
    }
    if (tls.verify == Verify::none)
      report_.warning("tls_verify", "anybody in between can pose as the broker");
  }

  void names() {
    out_.virtual_host = text("virtual_host");
    if (const auto vhost = text("vhost"); !vhost.empty()) {
      if (!out_.virtual_host.empty()) error("vhost", "stands beside `virtual_host`");
      out_.virtual_host = "vhost:" + vhost;
    }
    out_.container_id = text("container_id");
    out_.link_name = text("link_name");
    const auto durability = config_.string("durability");
    out_.durability = durability == "none" ? 0 : durability == "unsettled-state" ? 2 : 1;
    if (config_.is_set("capabilities")) {
      for (const auto name : config_.list("capabilities")) out_.capabilities.emplace_back(name);
    } else {
      out_.capabilities = {"queue"};
    }
    out_.allow_lossy_target = config_.boolean("allow_lossy_target");
    out_.allow_unsynced_target = config_.boolean("allow_unsynced_target");
  }

  void limits() {
    out_.idle_timeout = config_.duration("idle_timeout");
    out_.connect_timeout = config_.duration("connect_timeout");
    out_.reconnect_first = config_.duration("reconnect_first");
    out_.reconnect_last = std::max(config_.duration("reconnect_last"), out_.reconnect_first);
    out_.stall = config_.duration("stall");
    out_.max_frame_size = static_cast<std::uint32_t>(config_.size("max_frame_size"));
    out_.in_flight =
        std::max(static_cast<std::uint32_t>(config_.integer("in_flight")), kInFlightFloor);
    out_.in_flight_bytes = config_.size("in_flight_bytes");
    out_.queue = static_cast<std::uint32_t>(config_.integer("queue"));
    out_.links = static_cast<std::uint32_t>(config_.integer("links"));
  }

  sdk::Config config_;
  sdk::Report report_;
  Options& out_;
  bool good_ = true;
};

}  // namespace

bool parse_options(sdk::Config config, sdk::Report report, Options* options) {
  return Parser(config, report, options).run();
}

bool load_password(Options* options, sdk::Report report) {
  if (options->password_file.empty()) return true;
  auto password = read_password_file(options->password_file);
  if (!password) {
    report.error("password_file", password.error());
    return false;
  }
  options->password = *std::move(password);
  if (options->password.empty())
    report.warning("password_file", options->password_file + " is empty");
  return true;
}

tl::expected<std::string, std::string> read_password_file(const std::string& path) {
  const auto fail = [&](const char* why) {
    return tl::unexpected("cannot read " + path + ": " + why);
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(std::strerror(errno));
  struct stat status {};
  std::string password(kLongestPassword + 1, '\0');
  ssize_t got = -1;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    got = ::read(fd, password.data(), password.size());
  } else {
    errno = EINVAL;
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return fail(std::strerror(error));
  if (static_cast<std::size_t>(got) > kLongestPassword) return fail("longer than 4096 bytes");
  password.resize(static_cast<std::size_t>(got));
  while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
  return password;
}

std::string random_tag() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string tag;
  while (tag.size() < 12) tag += kHex[device() & 15U];
  return tag;
}

}  // namespace lsmtpd::amqp
