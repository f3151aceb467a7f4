#include "runtime/store/sim_vfs.hpp"

#include "runtime/store/sim_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace tayfa::store {

namespace {

/// SQLite's data of an open file.
struct open_file {
  sqlite3_file base;
  sim_disk* disk;
  sim_disk::opened* handle;
  std::string* folder; ///< flushed together with the file's first flush; null = not needed
  int level;
};

open_file& of(sqlite3_file* file) {
  return *reinterpret_cast<open_file*>(file);
}
sim_disk& of(sqlite3_vfs* vfs) {
  return *static_cast<sim_disk*>(vfs->pAppData);
}
int code_of(int number, int otherwise) {
  return number == 0 ? SQLITE_OK : number == ENOSPC ? SQLITE_FULL : otherwise;
}
std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

int close_file(sqlite3_file* file) {
  auto& self = of(file);
  self.disk->lock(*self.handle, file, SQLITE_LOCK_NONE);
  delete self.handle;
  delete self.folder;
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  auto& self = of(file);
  std::string bytes;
  const auto wanted = static_cast<std::size_t>(size);
  if (self.disk->read(*self.handle, static_cast<std::size_t>(at), wanted, bytes) != 0) {
    return SQLITE_IOERR_READ;
  }
  std::memcpy(to, bytes.data(), bytes.size());
  if (bytes.size() < wanted) {
    std::memset(static_cast<char*>(to) + bytes.size(), 0, wanted - bytes.size());
    return SQLITE_IOERR_SHORT_READ;
  }
  return SQLITE_OK;
}

int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  auto& self = of(file);
  const std::string_view bytes{static_cast<const char*>(from), static_cast<std::size_t>(size)};
  return code_of(self.disk->write(*self.handle, static_cast<std::size_t>(at), bytes),
                 SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  auto& self = of(file);
  return code_of(self.disk->truncate(*self.handle, static_cast<std::size_t>(size)),
                 SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) {
  auto& self = of(file);
  if (self.disk->sync(*self.handle) != 0) {
    return SQLITE_IOERR_FSYNC;
  }
  if (self.folder != nullptr) {
    if (self.disk->sync_folder(*self.folder) != 0) {
      return SQLITE_IOERR_DIR_FSYNC;
    }
    delete self.folder;
    self.folder = nullptr;
  }
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  auto& self = of(file);
  std::size_t bytes = 0;
  const int number = self.disk->size(*self.handle, bytes);
  *size = static_cast<sqlite3_int64>(bytes);
  return number == 0 ? SQLITE_OK : SQLITE_IOERR_FSTAT;
}

int lock_file(sqlite3_file* file, int level) {
  auto& self = of(file);
  if (level <= self.level) {
    return SQLITE_OK;
  }
  if (!self.disk->lock(*self.handle, file, level)) {
    return SQLITE_BUSY;
  }
  self.level = level;
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* file, int level) {
  auto& self = of(file);
  if (level < self.level) {
    self.disk->lock(*self.handle, file, level);
    self.level = level;
  }
  return SQLITE_OK;
}

int is_reserved(sqlite3_file* file, int* out) {
  *out = of(file).disk->is_reserved(*of(file).handle) ? 1 : 0;
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return 4096;
}
/// As SQLite assumes on Unix: writing part of a sector does not damage the rest of it.
int characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

constexpr sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* file, int flags, int* out_flags) {
  auto& self = of(file);
  self.base.pMethods = nullptr;
  if (path == nullptr) {
    return SQLITE_CANTOPEN; // a temporary file, which the store never uses
  }
  self.disk = &of(vfs);
  sim_disk::opened handle;
  bool made = false;
  const int number = self.disk->open_file(path, (flags & SQLITE_OPEN_CREATE) != 0, handle, &made);
  if (number != 0) {
    return code_of(number, number == EIO ? SQLITE_IOERR : SQLITE_CANTOPEN);
  }
  constexpr int journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  self.handle = new sim_disk::opened{std::move(handle)};
  self.folder = (flags & journals) != 0 && (flags & SQLITE_OPEN_CREATE) != 0
                    ? new std::string{folder_of(path)}
                    : nullptr;
  self.level = SQLITE_LOCK_NONE;
  self.base.pMethods = &file_methods;
  if (out_flags != nullptr) {
    *out_flags = flags;
  }
  return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* path, int flush_folder) {
  auto& disk = of(vfs);
  const int number = disk.remove(path);
  if (number == ENOENT) {
    return SQLITE_IOERR_DELETE_NOENT;
  }
  if (number != 0) {
    return SQLITE_IOERR_DELETE;
  }
  if (flush_folder != 0 && disk.sync_folder(folder_of(path)) != 0) {
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int access(sqlite3_vfs* vfs, const char* path, int, int* out) {
  *out = of(vfs).exists(path) ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  if (std::strlen(path) >= static_cast<std::size_t>(size)) {
    return SQLITE_CANTOPEN;
  }
  std::strcpy(out, path);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int size, char* out) {
  for (int i = 0; i < size; ++i) {
    out[i] = static_cast<char>(of(vfs).random());
  }
  return size;
}

int no_sleep(sqlite3_vfs*, int microseconds) {
  return microseconds;
}
int no_time(sqlite3_vfs*, sqlite3_int64* out) {
  *out = 0;
  return SQLITE_OK;
}
int no_time_either(sqlite3_vfs*, double* out) {
  *out = 0;
  return SQLITE_OK;
}
int no_error(sqlite3_vfs*, int, char*) {
  return 0;
}

} // namespace

sim_vfs::sim_vfs(sim_disk& disk, const std::string& name) {
  table.iVersion = 2;
  table.szOsFile = sizeof(open_file);
  table.mxPathname = 512;
  table.zName = name.c_str();
  table.pAppData = &disk;
  table.xOpen = open;
  table.xDelete = remove;
  table.xAccess = access;
  table.xFullPathname = full_path;
  table.xRandomness = randomness;
  table.xSleep = no_sleep;
  table.xCurrentTime = no_time_either;
  table.xGetLastError = no_error;
  table.xCurrentTimeInt64 = no_time;
  sqlite3_vfs_register(&table, 0);
}

sim_vfs::~sim_vfs() {
  sqlite3_vfs_unregister(&table);
}

} // namespace tayfa::store
