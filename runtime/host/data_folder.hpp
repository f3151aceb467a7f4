// Checks the permissions of a data folder before anything in it is trusted, and corrects those of
// our own files.
//
// A user who may write to the folder can replace the store, the keys and the lock, whatever their
// modes. So no user except us and root may own it or our files in it, and it must not be
// world-writable. Its contents get modes 0700 and 0600.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <vector>

namespace tayfa {

/// Remarks, one sentence each: corrected modes, a group with write permission. errc::bad_config
/// when other users may change the folder's contents; with `allow_shared`, and for root in a user's
/// folder, that is only a remark. The folder must exist.
result<std::vector<std::string>> secure_data_folder(const std::string& folder, bool allow_shared);

} // namespace tayfa
