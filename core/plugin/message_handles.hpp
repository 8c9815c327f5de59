// SPDX-License-Identifier: Apache-2.0
// The names by which plugins hold messages: a slot and a generation, as calls have, so that one
// that is used after its last unpin() is known for what it is. [any]
#pragma once

#include "lsmtpd/message.h"

namespace lsmtpd::plugin {

class View;

// Gives `view` a name; null where 4 million are held.
const lsmtpd_message* name_message(View& view);
// The view of that name; null where nobody holds it any more, or never did.
View* find_message(const lsmtpd_message* name);
void forget_message(const lsmtpd_message* name);

}  // namespace lsmtpd::plugin
