// SPDX-License-Identifier: Apache-2.0
#include "nats_options.hpp"

#include <algorithm>
#include <secret_files/secret_files.hpp>
#include <sink/password_file.hpp>

#include "subject.hpp"

namespace lsmtpd::nats {

namespace {

constexpr UrlKind kNatsUrls{"nats", "tls", 4222, 4222, "`stream` and `subject`"};

// Braces stand for themselves in a template when they are doubled.
std::string as_literal(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '{' || c == '}' ? 2 : 1, c);
  return out;
}

class Parser {
 public:
  Parser(sdk::Config config, sdk::Report report, Options* out)
      : config_(config), report_(report), out_(*out) {}

  bool run() {
    good_ = parse_client_options(config_, report_, &out_, kNatsUrls);
    target();
    message();
    login();
    out_.assume_synced = config_.boolean("assume_synced");
    out_.allow_lossy_target = config_.boolean("allow_lossy_target");
    out_.check_interval = config_.duration("check_interval");
    return good_;
  }

 private:
  void error(const char* key, const std::string& text) {
    report_.error(key, text);
    good_ = false;
  }
  std::string text(const char* key) const { return std::string(config_.string(key)); }

  void target() {
    TargetOptions& target = out_.target;
    out_.stream = text("stream");
    if (!is_stream_name(out_.stream))
      error("stream", "\"" + out_.stream + "\" is no name of a stream");
    target.by_exchange = true;
    if (auto stream = Template::parse(as_literal(out_.stream))) target.exchange = *stream;
    good_ &= parse_template(config_, report_, "subject", &target.routing_key);
    target.split = config_.string("split") == "recipient";
    // A value is one token or more, whatever it is.
    const std::string sample = target.routing_key.expand(lsmtpd_envelope{}, "x");
    if (const std::string why = subject_fault(sample); !why.empty()) error("subject", why);
    if (target.routing_key.is_fixed()) out_.subject = sample;
  }

  void message() {
    out_.format = config_.string("format") == "raw" ? Format::rfc822 : Format::json;
    out_.extra = config_.boolean("extra");
    out_.max_message = config_.size("max_message");
    out_.property_limit = static_cast<std::uint32_t>(config_.size("property_limit"));
  }

  void login() {
    out_.token_file = text("token_file");
    out_.credentials_file = text("credentials_file");
    const int ways = (out_.username.empty() ? 0 : 1) + (out_.token_file.empty() ? 0 : 1) +
                     (out_.credentials_file.empty() ? 0 : 1);
    if (ways > 1)
      error(out_.credentials_file.empty() ? "token_file" : "credentials_file",
            "stands beside another way to log in");
    const bool clear = std::any_of(out_.urls.begin(), out_.urls.end(), [](const Url& url) {
      return !url.tls && url.host != "localhost" && !url.host.starts_with("127.") &&
             url.host != "::1";
    });
    if (clear && !out_.token_file.empty())
      report_.warning("urls", "the token crosses the network in clear text: use tls://");
    out_.inbox_prefix = text("inbox_prefix");
    if (const std::string why = subject_fault(out_.inbox_prefix); !why.empty())
      error("inbox_prefix", why);
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

void check_credentials(const Options& options, sdk::Report report) {
  const auto look = [&](const char* option, const std::string& path) {
    if (path.empty()) return;
    const auto content = read_password_file(path);
    if (!content) return report.error(option, content.error());
    secret_files::warn_if_public(report, option, path);
  };
  look("token_file", options.token_file);
  look("credentials_file", options.credentials_file);
}

}  // namespace lsmtpd::nats
