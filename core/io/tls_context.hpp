// SPDX-License-Identifier: Apache-2.0
// Certificates and settings for the server's side of TLS: read from their files all or nothing,
// never changed afterwards, shared by all workers.
//
// A client that names a host (SNI, RFC 6066 3) gets the certificates that have this name, one for
// each type of key; every other client, whatever it names, gets the first certificate and those of
// other key types that have all its names.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace lsmtpd::io {

struct TlsFiles {
  std::string certificate;  // PEM: the server's certificate, then its issuers
  std::string key;          // PEM, without a password

  bool operator==(const TlsFiles&) const = default;
};

struct TlsSettings {
  std::vector<TlsFiles> certificates;  // at least one
  bool only_1_3 = false;               // else TLS 1.2 too
  std::string ciphers = {};            // of TLS 1.2, as OpenSSL names them; empty: its default
  std::string ciphersuites = {};       // of TLS 1.3
  std::string groups = {};             // of key exchange
  bool session_tickets = false;
  std::string client_ca = {};  // PEM file of trusted issuers of client certificates; empty: none

  bool operator==(const TlsSettings&) const = default;
};

struct CertificateInfo {
  std::string file;
  std::string subject;             // RFC 4514
  std::vector<std::string> names;  // DNS names of subjectAltName, or the common name; lower case
  std::string key_type;            // "RSA", "EC", "ED25519"
  int64_t not_before = 0;          // seconds since the epoch, UTC
  int64_t not_after = 0;
  bool self_signed = false;
  std::string tlsa;  // SHA-256 of the public key, in hexadecimal digits: TLSA 3 1 1 (RFC 6698)

  // Whether a client that wants `host` takes it; a wildcard stands for one label (RFC 6125 6.4.3).
  bool names_host(std::string_view host) const;
};

class TlsContext {
 public:
  // Reads every file, and checks that keys and certificates fit. An error names the file.
  static Result<std::shared_ptr<const TlsContext>> load(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  const std::vector<CertificateInfo>& certificates() const { return certificates_; }
  bool has_client_ca() const { return has_client_ca_; }
  // For TlsStream: the context of a new session, which finds its certificates by SNI. The
  // TlsContext must outlive the handshake.
  ssl_ctx_st* default_context() const { return contexts_.front().get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Context = std::unique_ptr<ssl_ctx_st, Free>;
  class Builder;
  TlsContext();
  static int choose(ssl_st* session, int* alert, void* self);
  ssl_ctx_st* context_for(std::string_view server_name) const;

  std::vector<CertificateInfo> certificates_;
  std::vector<Context> contexts_;                       // the first is the default
  std::map<std::string, size_t, std::less<>> by_name_;  // exact names, and "*.example.org"
  bool has_client_ca_ = false;
};

}  // namespace lsmtpd::io
