// Who may touch a data folder: judged before anything in it is trusted, and put right where it is
// ours to put right.
//
// Whoever may write to the folder can replace the store, the keys and the lock, whatever modes
// these have. So: others (neither us nor root) must not own it, nor anything of ours in it; not
// everybody may write to it. What is in it gets modes 0700 and 0600.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <vector>

namespace tayfa {

/// What a person should hear of, one sentence each: modes that were put right, a group that may
/// write. errc::bad_config where other users may change what is in the folder; with `allow_shared`,
/// and for root in a folder that a user owns, that is a sentence too. The folder is there.
result<std::vector<std::string>> secure_data_folder(const std::string& folder, bool allow_shared);

} // namespace tayfa
