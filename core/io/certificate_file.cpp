// SPDX-License-Identifier: Apache-2.0
#include "io/certificate_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/unique_fd.hpp"

namespace lsmtpd::io {

using namespace openssl;

namespace {

constexpr size_t kLargestFile = 1u << 20;

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Result<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail("cannot open {}: {}", path, std::strerror(errno));
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t size = ::read(fd.get(), part, sizeof part);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail("cannot read {}: {}", path, std::strerror(errno));
    if (size == 0) return text;
    text.append(part, static_cast<size_t>(size));
    if (text.size() > kLargestFile) return fail("{} is larger than 1MiB", path);
  }
}

Bio reader_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// There is nobody to ask for a password, and OpenSSL would ask on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<int64_t>(::timegm(&parts)) : 0;
}

std::string text_of(const ASN1_STRING* string) {
  return to_lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                   static_cast<size_t>(ASN1_STRING_length(string))});
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS) names.push_back(text_of(name->d.dNSName));
  }
  const bool alternatives = all != nullptr;
  GENERAL_NAMES_free(all);
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = alternatives ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) names.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return names;
}

}  // namespace

std::string host_name(std::string_view name) {
  std::string host = to_lower(name);
  if (host.ends_with('.')) host.pop_back();
  return host;
}

std::string as_wildcard(std::string_view host) {
  const size_t dot = host.find('.');
  return dot == std::string_view::npos ? std::string() : "*" + std::string(host.substr(dot));
}

Result<LoadedCertificate> load_certificate(const TlsFiles& files) {
  const auto chain = read_file(files.certificate);
  if (!chain) return tl::unexpected(chain.error());
  const auto key = read_file(files.key);
  if (!key) return tl::unexpected(key.error());
  LoadedCertificate loaded;
  const Bio certificates = reader_of(*chain);
  loaded.certificate.reset(
      PEM_read_bio_X509_AUX(certificates.get(), nullptr, no_password, nullptr));
  if (!loaded.certificate) return fail("{} has no certificate in PEM form", files.certificate);
  loaded.issuers.reset(sk_X509_new_null());
  while (X509* issuer = PEM_read_bio_X509(certificates.get(), nullptr, no_password, nullptr)) {
    sk_X509_push(loaded.issuers.get(), issuer);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail("{} has a broken certificate: {}", files.certificate, take_error());
  }
  ERR_clear_error();
  loaded.key.reset(PEM_read_bio_PrivateKey(reader_of(*key).get(), nullptr, no_password, nullptr));
  if (!loaded.key) {
    const bool locked = key->find("ENCRYPTED") != std::string::npos;
    ERR_clear_error();
    return fail("{} has no private key in PEM form{}", files.key,
                locked ? " without a password" : "");
  }
  if (X509_check_private_key(loaded.certificate.get(), loaded.key.get()) != 1) {
    ERR_clear_error();
    return fail("the key {} does not belong to the certificate {}", files.key, files.certificate);
  }
  return loaded;
}

CertificateInfo info_of(const std::string& file, X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const char* type = OBJ_nid2sn(EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)));
  std::string key_type = type ? type : "unknown";
  if (key_type == "rsaEncryption") key_type = "RSA";
  if (key_type == "id-ecPublicKey") key_type = "EC";
  return {.file = file,
          .subject = name_text(subject),
          .names = names_of(certificate),
          .key_type = std::move(key_type),
          .not_before = seconds_of(X509_get0_notBefore(certificate)),
          .not_after = seconds_of(X509_get0_notAfter(certificate)),
          .self_signed = X509_NAME_cmp(subject, X509_get_issuer_name(certificate)) == 0,
          .tlsa = key_digest(certificate)};
}

bool CertificateInfo::names_host(std::string_view host) const {
  const std::string name = host_name(host);
  const std::string wildcard = as_wildcard(name);
  return std::any_of(names.begin(), names.end(), [&](const std::string& one) {
    return one == name || (!wildcard.empty() && one == wildcard);
  });
}

}  // namespace lsmtpd::io
