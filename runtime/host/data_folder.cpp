#include "runtime/host/data_folder.hpp"

#include "runtime/base/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

/// The contents of a folder that only we may enter need no check. The keys file is not listed: one
/// that others may have read or written is refused (runtime/access/key_file), since a new mode does
/// not undo that.
constexpr auto inside =
    std::to_array<const char*>({"lock", "run", "store", "store/jobs.sqlite",
                                "store/jobs.sqlite-wal", "store/jobs.sqlite-shm", "store/blobs"});

std::string octal(mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777));
  return text.data();
}

bool is_ours(uid_t owner) {
  return owner == ::geteuid() || owner == 0;
}

std::string owner_text(uid_t owner) {
  return "belongs to user " + std::to_string(owner) + ", and this is user " +
         std::to_string(::geteuid());
}

/// Root in a user's folder (a container with a mounted one) is deliberate: only a remark.
bool root_among_users(const struct stat& about) {
  return ::geteuid() == 0 && about.st_uid != 0 &&
         ((about.st_mode & S_IWOTH) == 0 || (about.st_mode & S_ISVTX) != 0);
}

/// The reason why others may change the folder's contents; empty when they may not.
std::optional<std::string> why_shared(const struct stat& about) {
  if (!is_ours(about.st_uid)) {
    return owner_text(about.st_uid);
  }
  if ((about.st_mode & S_IWOTH) != 0 && (about.st_mode & S_ISVTX) == 0) {
    return "has mode " + octal(about.st_mode) + ": every user may replace what is in it";
  }
  return std::nullopt;
}

/// A user who may write to a folder above this one can replace it.
std::optional<std::string> why_replaceable(const std::string& folder) {
  std::error_code failed;
  auto path = fs::canonical(folder, failed);
  while (!failed && path.has_relative_path()) {
    path = path.parent_path();
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) {
      if (const auto why = why_shared(about)) {
        return path.string() + " " + *why;
      }
    }
  }
  return std::nullopt;
}

/// A remark when the mode was corrected, or could not be.
std::optional<std::string> tighten(const std::string& path, const struct stat& about) {
  const mode_t loose = about.st_mode & 077;
  const bool plain = S_ISREG(about.st_mode) || S_ISDIR(about.st_mode);
  if (!plain || loose == 0) {
    return std::nullopt;
  }
  const unique_fd file{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  struct stat now {};
  const bool done = file && ::fstat(file.get(), &now) == 0 && now.st_ino == about.st_ino &&
                    ::fchmod(file.get(), about.st_mode & 0700) == 0;
  return path + " had mode " + octal(about.st_mode) +
         (done ? "; it has " + octal(about.st_mode & 0700) + " now"
               : ", which could not be changed: " + std::string{std::strerror(errno)});
}

} // namespace

result<std::vector<std::string>> secure_data_folder(const std::string& folder, bool allow_shared) {
  std::vector<std::string> remarks;
  const auto refuse = [&](const std::string& what, bool tolerable) -> result<void> {
    if (!allow_shared && !tolerable) {
      return fail(errc::bad_config, "the data folder is not safe: " + what +
                                        ". Give it to this user alone (chown, chmod 700), or "
                                        "allow it with pod.allow_shared_data");
    }
    remarks.push_back("others may change what the pod keeps: " + what);
    return {};
  };
  struct stat about {};
  if (::stat(folder.c_str(), &about) != 0) {
    return fail(errc::io_error, folder + ": " + std::strerror(errno));
  }
  if (const auto why = why_shared(about)) {
    if (auto refused = refuse(folder + " " + *why, root_among_users(about)); !refused) {
      return fail(refused.error());
    }
  } else if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    remarks.push_back(folder + " has mode " + octal(about.st_mode) + ": " +
                      ((about.st_mode & S_IWOTH) != 0 ? "every user may make files in it"
                                                      : "its group may replace what is in it"));
  }
  for (const char* name : inside) {
    const auto path = folder + "/" + name;
    if (::lstat(path.c_str(), &about) != 0) {
      continue;
    }
    if (!is_ours(about.st_uid)) {
      if (auto refused = refuse(path + " " + owner_text(about.st_uid), root_among_users(about));
          !refused) {
        return fail(refused.error());
      }
    }
    if (auto done = tighten(path, about)) {
      remarks.push_back(std::move(*done));
    }
  }
  if (const auto why = why_replaceable(folder)) {
    remarks.push_back("the data folder may be replaced by others: " + *why);
  }
  return remarks;
}

} // namespace tayfa
