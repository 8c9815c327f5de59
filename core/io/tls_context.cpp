// SPDX-License-Identifier: Apache-2.0
#include "io/tls_context.hpp"

#include <algorithm>

#include "io/certificate_file.hpp"
#include "io/openssl.hpp"

namespace lsmtpd::io {

using namespace openssl;

namespace {

// Of a client's certificate with its issuers: it stays in memory with the session.
constexpr long kClientChain = 16 << 10;  // octets

}  // namespace

TlsContext::TlsContext() = default;
TlsContext::~TlsContext() = default;

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

// One context for each set of certificates that a name can have.
class TlsContext::Builder {
 public:
  Builder(const TlsSettings& settings, TlsContext& target) : settings_(settings), target_(target) {}

  Status run();

 private:
  using Set = std::vector<size_t>;  // places in loaded_

  Result<size_t> context_with(const Set& set);
  Result<Context> make(const Set& set);
  Status set_protocol(SSL_CTX* context);
  Status set_clients(SSL_CTX* context);
  Set default_set() const;
  // Of each type of key the first certificate for which `fits` holds.
  template <class Fits>
  Set set_of(Fits fits) const;

  const TlsSettings& settings_;
  TlsContext& target_;
  std::vector<LoadedCertificate> loaded_;
  std::map<Set, size_t> made_;
};

Status TlsContext::Builder::run() {
  ERR_clear_error();
  for (const TlsFiles& files : settings_.certificates) {
    auto loaded = load_certificate(files);
    if (!loaded) return tl::unexpected(loaded.error());
    target_.certificates_.push_back(info_of(files.certificate, loaded->certificate.get()));
    loaded_.push_back(std::move(*loaded));
  }
  if (loaded_.empty()) return fail("there is no certificate");
  if (auto made = context_with(default_set()); !made) return tl::unexpected(made.error());
  for (const CertificateInfo& each : target_.certificates_) {
    for (const std::string& name : each.names) {
      const auto fits = [&](const CertificateInfo& one) {
        return name.starts_with('*')
                   ? std::find(one.names.begin(), one.names.end(), name) != one.names.end()
                   : one.names_host(name);
      };
      const auto made = context_with(set_of(fits));
      if (!made) return tl::unexpected(made.error());
      target_.by_name_.emplace(name, *made);
    }
  }
  return {};
}

template <class Fits>
TlsContext::Builder::Set TlsContext::Builder::set_of(Fits fits) const {
  Set set;
  const auto& all = target_.certificates_;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool has_type = std::any_of(
        set.begin(), set.end(), [&](size_t at) { return all[at].key_type == all[i].key_type; });
    if (!has_type && fits(all[i])) set.push_back(i);
  }
  return set;
}

TlsContext::Builder::Set TlsContext::Builder::default_set() const {
  const CertificateInfo& first = target_.certificates_.front();
  return set_of([&first](const CertificateInfo& one) {
    return &one == &first ||
           std::all_of(first.names.begin(), first.names.end(), [&](const std::string& name) {
             return std::find(one.names.begin(), one.names.end(), name) != one.names.end();
           });
  });
}

Result<size_t> TlsContext::Builder::context_with(const Set& set) {
  const auto [at, is_new] = made_.emplace(set, target_.contexts_.size());
  if (!is_new) return at->second;
  auto context = make(set);
  if (!context) return tl::unexpected(context.error());
  target_.contexts_.push_back(std::move(*context));
  return at->second;
}

Result<TlsContext::Context> TlsContext::Builder::make(const Set& set) {
  Context owner(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = owner.get();
  if (!context) return fail("TLS cannot be set up: {}", take_error());
  if (auto status = set_protocol(context); !status) return tl::unexpected(status.error());
  if (auto status = set_clients(context); !status) return tl::unexpected(status.error());
  for (const size_t at : set) {
    const LoadedCertificate& one = loaded_[at];
    if (SSL_CTX_use_cert_and_key(context, one.certificate.get(), one.key.get(), one.issuers.get(),
                                 1) != 1) {
      return fail("{} cannot be used: {}", settings_.certificates[at].certificate, take_error());
    }
  }
  SSL_CTX_set_tlsext_servername_callback(context, choose);
  SSL_CTX_set_tlsext_servername_arg(context, &target_);
  return owner;
}

Status TlsContext::Builder::set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, settings_.only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context,
                         1);  // a record, which TlsRecords gives at once, and not its header first
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!settings_.session_tickets) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
  }
  const auto wrong = [](const char* key, const std::string& value) {
    ERR_clear_error();
    return fail("tls.{} = \"{}\" has nothing that OpenSSL can use", key, value);
  };
  if (!settings_.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context, settings_.ciphers.c_str()) != 1) {
    return wrong("ciphers", settings_.ciphers);
  }
  if (!settings_.ciphersuites.empty() &&
      SSL_CTX_set_ciphersuites(context, settings_.ciphersuites.c_str()) != 1) {
    return wrong("ciphersuites", settings_.ciphersuites);
  }
  if (!settings_.groups.empty() &&
      SSL_CTX_set1_groups_list(context, settings_.groups.c_str()) != 1) {
    return wrong("groups", settings_.groups);
  }
  return {};
}

Status TlsContext::Builder::set_clients(SSL_CTX* context) {
  constexpr unsigned char kSessionContext[] = "lsmtpd";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_max_cert_list(context, kClientChain);
  target_.has_client_ca_ = !settings_.client_ca.empty();
  if (!target_.has_client_ca_) return {};
  const char* file = settings_.client_ca.c_str();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file);
  if (!names || SSL_CTX_load_verify_file(context, file) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    ERR_clear_error();
    return fail("tls.client_ca: {} has no certificate in PEM form, or cannot be read", file);
  }
  SSL_CTX_set_client_CA_list(context, names);
  return {};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsSettings& settings) {
  std::shared_ptr<TlsContext> context(new TlsContext);
  if (auto status = Builder(settings, *context).run(); !status) {
    ERR_clear_error();
    return tl::unexpected(status.error());
  }
  return context;
}

ssl_ctx_st* TlsContext::context_for(std::string_view server_name) const {
  const std::string name = host_name(server_name);
  auto found = by_name_.find(name);
  if (found == by_name_.end()) found = by_name_.find(as_wildcard(name));
  return found == by_name_.end() ? nullptr : contexts_[found->second].get();
}

// A name that no certificate has is no error: many clients send an address or another name.
int TlsContext::choose(ssl_st* session, int*, void* self) {
  const char* name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  ssl_ctx_st* context = static_cast<const TlsContext*>(self)->context_for(name);
  if (!context) return SSL_TLSEXT_ERR_NOACK;
  if (context != SSL_get_SSL_CTX(session)) SSL_set_SSL_CTX(session, context);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace lsmtpd::io
