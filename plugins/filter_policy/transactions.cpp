// SPDX-License-Identifier: Apache-2.0
#include "transactions.hpp"

#include <algorithm>

namespace lsmtpd::policy {

bool Transactions::prepend(uint64_t session, const std::string& field) {
  Transaction& mail = sessions_[session];
  // A service that answers each recipient says the same for all of them.
  if (std::find(mail.fields.begin(), mail.fields.end(), field) != mail.fields.end()) return true;
  if (mail.fields.size() == kMostFields || mail.bytes + field.size() > kMostBytes) return false;
  mail.bytes += field.size();
  mail.fields.push_back(field);
  return true;
}

void Transactions::discard(uint64_t session, const std::string& reason) {
  sessions_[session].discard = reason;
}

const Transaction* Transactions::find(uint64_t session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second;
}

}  // namespace lsmtpd::policy
