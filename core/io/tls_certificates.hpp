// SPDX-License-Identifier: Apache-2.0
// The certificates that new TLS sessions get: read at start, and again when their files change, all
// or nothing. Sessions under way keep those that they began with. Any thread, but load() and look()
// one at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "io/tls_context.hpp"

namespace lsmtpd::io {

class TlsCertificates {
 public:
  // Reads the files of `settings`, which are those of look() from then on. An error leaves
  // everything as it was.
  Status load(const TlsSettings& settings);
  // Reads the files again if one of them is another file or has other content than at the last
  // look: through symbolic links, and where files are renamed. Returns true if there are new
  // certificates. An error is returned once for each change of the files; the old ones stay.
  Result<bool> look();

  std::shared_ptr<const TlsContext> current() const;

 private:
  // Which file each path leads to, and when it was changed last.
  static std::string fingerprint(const TlsSettings& settings);

  TlsSettings settings_;
  std::string seen_;  // the fingerprint at the last load or look
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> current_;  // guarded by mutex_
};

}  // namespace lsmtpd::io
