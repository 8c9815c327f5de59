// SPDX-License-Identifier: Apache-2.0
#include "claim_options.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <http/aws_request.hpp>
#include <secret_files/secret_files.hpp>

#include "client_options.hpp"
#include "credential_files.hpp"
#include "password_file.hpp"

namespace lsmtpd::sink {

namespace {

// With the copy id behind it, the location fits into the headers of every broker.
constexpr std::size_t kLongestPath = 512;

std::string column(std::string_view key) {
  return "claim_check[0]." + std::string(key);
}

// Reports what is wrong with an option as with a column of the one table.
class ColumnReport {
 public:
  explicit ColumnReport(const sdk::Report& report) : raw_{this, error, warning}, report_(report) {}
  ColumnReport(const ColumnReport&) = delete;
  ColumnReport& operator=(const ColumnReport&) = delete;
  sdk::Report report() const { return sdk::Report(&raw_); }

 private:
  static const sdk::Report& of(const lsmtpd_report* raw) {
    return static_cast<const ColumnReport*>(raw->self)->report_;
  }
  static void error(const lsmtpd_report* raw, lsmtpd_str key, lsmtpd_str message) {
    of(raw).error(column(sdk::view(key)), sdk::view(message));
  }
  static void warning(const lsmtpd_report* raw, lsmtpd_str key, lsmtpd_str message) {
    of(raw).warning(column(sdk::view(key)), sdk::view(message));
  }

  lsmtpd_report raw_;
  const sdk::Report& report_;
};

bool parse_directory(std::string_view given, sdk::Report report, ClaimOptions* options) {
  auto path = std::filesystem::absolute(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  options->directory = path.string();
  if (options->directory.size() <= kLongestPath) return true;
  report.error("directory", "is longer than " + std::to_string(kLongestPath) + " octets");
  return false;
}

// A server of this machine.
bool is_own(std::string_view endpoint) {
  const std::string_view host = endpoint.substr(endpoint.find("://") + 3);
  return host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
         host.starts_with("localhost:");
}

bool parse_bucket(sdk::Config table, sdk::Report report, S3Options* options) {
  bool good = true;
  const auto error = [&](const char* key, const std::string& text) {
    report.error(key, text);
    good = false;
  };
  const std::string_view url = table.string("s3");
  if (const std::string wrong = parse_s3_url(url, options); !wrong.empty()) error("s3", wrong);
  if (url.starts_with("http://") && !is_own(options->endpoint))
    report.warning("s3", "the bodies cross the network in clear text: use https://");
  if (url.size() > kLongestPath)
    error("s3", "is longer than " + std::to_string(kLongestPath) + " octets");
  if (const std::string why = http::AwsClient::missing(); !why.empty()) error("s3", why);
  options->region = table.string("region");
  options->access_key_file = table.path("access_key_file");
  options->secret_key_file = table.path("secret_key_file");
  options->timeout = table.duration("timeout");
  for (const char* key : {"access_key_file", "secret_key_file"})
    if (table.path(key).empty()) error(key, "missing: the bucket is asked with signed requests");
  return parse_tls_options(table, report, &options->tls) && good;
}

void check_directory(const std::string& directory, sdk::Report report) {
  struct stat status {};
  const char* const path = directory.c_str();
  const bool found = ::stat(path, &status) == 0;
  if (found && !S_ISDIR(status.st_mode)) errno = ENOTDIR;
  if (!found || !S_ISDIR(status.st_mode) ||
      ::faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
    return report.error("directory", "cannot write to " + directory + ": " + std::strerror(errno));
  if ((status.st_mode & S_IWOTH) != 0)
    report.warning("directory",
                   directory + " can be written to by every user of this machine: chmod o-w");
}

void check_bucket(sdk::Config table, sdk::Report report) {
  for (const char* key : {"access_key_file", "secret_key_file"}) {
    const auto content = read_password_file(table.path(key));
    if (!content) {
      report.error(key, content.error());
    } else if (content->empty()) {
      report.error(key, table.path(key) + " is empty");
    }
  }
  secret_files::warn_if_public(report, "secret_key_file", table.path("secret_key_file"));
  check_tls_files(table, report);
}

}  // namespace

bool parse_claim_options(sdk::Config config, sdk::Report outer, ClaimOptions* options) {
  const auto tables = config.tables("claim_check");
  if (tables.empty()) return true;
  if (tables.size() > 1) {
    outer.error("claim_check[1]", "is the second table: there is one store");
    return false;
  }
  const sdk::Config& table = tables.front();
  const ColumnReport columns(outer);
  const std::string_view directory = table.string("directory");
  const bool bucket = !table.string("s3").empty();
  if (directory.empty() != bucket) {
    outer.error("claim_check[0]", bucket ? "has `directory` and `s3`: there is one store"
                                         : "has neither `directory` nor `s3`: name the store");
    return false;
  }
  options->above = table.size("above");
  options->on = bucket ? parse_bucket(table, columns.report(), &options->s3)
                       : parse_directory(directory, columns.report(), options);
  return options->on;
}

void check_claim_store(const ClaimOptions& options, sdk::Config config, sdk::Report outer) {
  if (!options.on) return;
  const ColumnReport columns(outer);
  if (!options.directory.empty()) return check_directory(options.directory, columns.report());
  check_bucket(config.tables("claim_check").front(), columns.report());
}

}  // namespace lsmtpd::sink
