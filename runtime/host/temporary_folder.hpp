// Folders for what lives no longer than one process: made for this user alone, and removed as a
// whole, whatever somebody has put into them.
#pragma once

#include "messages/error.hpp"

#include <string>

namespace tayfa {

/// Mode 0700; folders above it are made as well. One that is there must be a folder of ours.
/// errc::storage_full, unavailable for what may pass as well (no descriptors or memory), io_error
/// otherwise, with the path and the system's reason.
result<void> make_private_folder(const std::string& path);

/// Removes the folder with all that is in it. Links are removed and never followed, other file
/// systems that are mounted inside are left alone, folders without permissions are opened up, any
/// depth is dealt with. True when nothing is left of it.
bool remove_tree(const std::string& path);

} // namespace tayfa
