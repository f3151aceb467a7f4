#include "runtime/store/files.hpp"

#include "runtime/base/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace tayfa::store {

namespace {

/// The system has no descriptor or memory left just now.
bool is_short(int number) {
  return number == EMFILE || number == ENFILE || number == ENOMEM;
}

tl::unexpected<error> failed(std::string_view what, const std::string& path, int number) {
  // A shortage of descriptors or memory passes like one of space, and costs nothing accepted.
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG || is_short(number);
  const auto code = full ? errc::storage_full : number == ENOENT ? errc::not_found : errc::io_error;
  return fail(code, std::string{what} + " " + path + ": " +
                        std::error_code(number, std::generic_category()).message());
}

constexpr int shortage_tries = 20;
constexpr int shortage_pause_ms = 25;

/// A file or folder; none when it cannot be opened, errno says why.
unique_fd open_patiently(const std::string& path, int flags) {
  for (int tries = shortage_tries;;) {
    unique_fd file{::open(path.c_str(), flags | O_CLOEXEC, 0600)};
    if (!file && is_short(errno) && tries-- > 0) {
      ::poll(nullptr, 0, shortage_pause_ms); // most shortages are over in a moment
    } else if (file || errno != EINTR) {
      return file;
    }
  }
}

int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto wrote = ::write(file, bytes.data(), bytes.size());
    if (wrote < 0 && errno != EINTR) {
      return errno;
    }
    if (wrote == 0) {
      return ENOSPC;
    }
    bytes.remove_prefix(wrote > 0 ? static_cast<std::size_t>(wrote) : 0);
  }
  return 0;
}

/// Never storage_full, also when there was no space only then: what the flush did is unknown.
result<void> flushed(const unique_fd& file, const std::string& path) {
  if (::fsync(file.get()) != 0) {
    return fail(errc::io_error, "flushing " + path + ": " +
                                    std::error_code(errno, std::generic_category()).message());
  }
  return {};
}

} // namespace

std::optional<std::string_view> why_unfit(unsigned long magic) {
  constexpr std::pair<unsigned long, std::string_view> unfit[] = {
      {0x6969, "NFS: its locks and caches are another machine's"},
      {0x517b, "SMB: its locks and caches are another machine's"},
      {0xff534d42, "CIFS: its locks and caches are another machine's"},
      {0xfe534d42, "SMB2: its locks and caches are another machine's"},
      {0x65735546, "FUSE: a program stands between the store and the disk, most often a network"},
      {0x01021997, "9p: a folder of another kernel; its locks hold only here"},
      {0x00c36400, "CephFS: a network file system"},
      {0x0bd00bd0, "Lustre: a network file system"},
      {0x47504653, "GPFS: a network file system"},
      {0x01161970, "GFS2: a file system that machines share"},
      {0x7461636f, "OCFS2: a file system that machines share"},
      {0x5346414f, "AFS: a network file system"},
      {0x6b414653, "AFS: a network file system"},
      {0x73757245, "Coda: a network file system"},
      {0x564c, "NCP: a network file system"},
      {0x858458f6, "ramfs: it is gone with the machine's memory"},
  };
  const auto* const found = std::find_if(std::begin(unfit), std::end(unfit),
                                         [&](const auto& row) { return row.first == magic; });
  return found == std::end(unfit) ? std::nullopt : std::optional{found->second};
}

result<void> local_files::prepare(const std::string& folder) {
  std::error_code wrong;
  const bool was_there = std::filesystem::exists(folder, wrong);
  std::filesystem::create_directories(folder, wrong);
  if (wrong || !std::filesystem::is_directory(folder, wrong)) {
    return fail(errc::bad_config, "the data folder " + folder + " cannot be made: " +
                                      (wrong ? wrong.message() : "something else has its name"));
  }
  if (!was_there) {
    ::chmod(folder.c_str(), 0700);
  }
  struct statfs found {};
  if (::statfs(folder.c_str(), &found) != 0) {
    return failed("looking at", folder, errno);
  }
  // f_type is signed and 64 bits wide; the magic numbers have 32.
  if (const auto why = why_unfit(static_cast<unsigned long>(found.f_type) & 0xffffffffUL)) {
    return fail(errc::bad_config, "the data folder " + folder +
                                      " must be on a local disk, and this is " + std::string{*why} +
                                      "; set another folder");
  }
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail(errc::bad_config, "the data folder " + folder + " cannot be used: " +
                                      std::error_code(errno, std::generic_category()).message());
  }
  return {};
}

result<void> local_files::make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed("making", path, errno);
  }
  return {};
}

result<void> local_files::make_file(const std::string& path) {
  const auto file = open_patiently(path, O_RDWR | O_CREAT);
  if (!file) {
    return failed("opening", path, errno);
  }
  return {};
}

result<void> local_files::write_flushed(const std::string& path, std::string_view bytes) {
  const auto file = open_patiently(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) {
    return failed("opening", path, errno);
  }
  if (const int number = write_all(file.get(), bytes); number != 0) {
    return failed("writing", path, number);
  }
  return flushed(file, path);
}

result<void> local_files::write_again(const std::string& path) {
  const auto file = open_patiently(path, O_RDWR);
  if (!file) {
    return failed("opening", path, errno);
  }
  std::string part(std::size_t{1} << 20, '\0');
  for (off_t at = 0;;) {
    const auto got = ::pread(file.get(), part.data(), part.size(), at);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return failed("reading", path, errno);
    }
    if (got == 0) {
      return flushed(file, path);
    }
    for (std::size_t done = 0; done < static_cast<std::size_t>(got);) {
      const auto wrote =
          ::pwrite(file.get(), part.data() + done, static_cast<std::size_t>(got) - done, at);
      if (wrote < 0 && errno != EINTR) {
        return failed("writing", path, errno);
      }
      done += wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
      at += wrote > 0 ? wrote : 0;
    }
  }
}

result<void> local_files::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return failed("renaming", from, errno);
  }
  return {};
}

result<void> local_files::sync_folder(const std::string& path) {
  const auto folder = open_patiently(path, O_RDONLY | O_DIRECTORY);
  return folder ? flushed(folder, path) : failed("opening", path, errno);
}

result<std::string> local_files::read(const std::string& path, std::size_t limit) {
  const auto file = open_patiently(path, O_RDONLY);
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) {
    return failed("opening", path, errno);
  }
  std::string text(std::min(limit, static_cast<std::size_t>(about.st_size)), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const auto got = ::read(file.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno != EINTR) {
      return failed("reading", path, errno);
    }
    if (got == 0) {
      break;
    }
    have += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  text.resize(have);
  return text;
}

result<void> local_files::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed("removing", path, errno);
  }
  return {};
}

result<std::vector<std::string>> local_files::list(const std::string& folder) {
  std::error_code wrong;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at{folder, wrong}, end; !wrong && at != end;
       at.increment(wrong)) {
    names.push_back(at->path().filename().string());
  }
  if (wrong) {
    return failed("listing", folder, wrong.value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

result<file_identity> local_files::identity(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    return failed("looking at", path, errno);
  }
  return file_identity{static_cast<std::uint64_t>(about.st_dev),
                       static_cast<std::uint64_t>(about.st_ino)};
}

result<void> local_files::write_over(const std::string& path, std::string_view bytes) {
  const auto file = open_patiently(path, O_WRONLY);
  if (!file) {
    return failed("opening", path, errno);
  }
  const int number = write_all(file.get(), bytes);
  return number == 0 ? result<void>{} : failed("writing", path, number);
}

result<void> local_files::occupy(const std::string& path, std::size_t bytes) {
  const auto file = open_patiently(path, O_RDWR | O_CREAT);
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) {
    return failed("opening", path, errno);
  }
  const auto wanted = static_cast<off_t>(bytes);
  int number = 0;
  if (about.st_size > wanted) {
    number = ::ftruncate(file.get(), wanted) == 0 ? 0 : errno;
  } else if (wanted > 0) {
    // Also when it is so long already: it may have been copied with holes.
    number = ::posix_fallocate(file.get(), 0, wanted);
    if (number != 0) {
      static_cast<void>(::ftruncate(file.get(), about.st_size));
    }
  }
  return number == 0 ? result<void>{} : failed("reserving space in", path, number);
}

result<std::size_t> local_files::disk_bytes(const std::string& folder) {
  struct statvfs about {};
  if (::statvfs(folder.c_str(), &about) != 0) {
    return failed("looking at", folder, errno);
  }
  return static_cast<std::size_t>(about.f_blocks) * static_cast<std::size_t>(about.f_frsize);
}

result<std::size_t> local_files::size(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    return failed("looking at", path, errno);
  }
  return static_cast<std::size_t>(about.st_size);
}

} // namespace tayfa::store
