{
  "variables": {
    # An addon for tests only. A checkout has its source, the published package does not.
    "test_helper": "test/native/foreign_reaper",
    "has_test_helper": "<!(node -p \"Number(require('fs').existsSync('test/native'))\")",
  },
  "targets": [
    {
      "target_name": "forksnap",
      "sources": [
        "native/addon.cc",
        "native/arena.cc",
        "native/arena_buffers.cc",
        "native/arena_pages.cc",
        "native/child_setup.cc",
        "native/child_threads.cc",
        "native/child_watch.cc",
        "native/file_lock.cc",
        "native/fork.cc",
        "native/gate.cc",
        "native/heap_inherit.cc",
        "native/heap_mark.cc",
        "native/malloc_trim.cc",
        "native/packed_heap_link.cc",
        "native/parent_cost.cc",
        "native/quiesce.cc",
        "native/replace_process.cc",
        "native/smaps.cc",
        "native/start_gate.cc",
        "native/status_page.cc",
        "native/threads.cc",
        "native/uv_pool.cc",
        "native/v8_gc.cc",
        "native/v8_pool.cc",
        "native/waitpid.cc",
        "native/write_back.cc",
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-fexceptions", "-Wall", "-Wextra", "-Wno-unused-parameter"],
      "conditions": [
        # Symbols are looked up when the addon is loaded, and not in the pause of the first fork.
        ["OS=='linux'", { "ldflags": ["-Wl,-z,now"] }],
        # The same bytes whatever folder it is built in.
        ["OS!='win'", { "cflags_cc": ["-ffile-prefix-map=<(module_root_dir)=."] }],
        ["OS=='mac'", {
          "xcode_settings": {
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "CLANG_CXX_LIBRARY": "libc++",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
          },
        }],
        ["OS=='win'", {
          # There is no fork() on Windows: the package imports there without an addon and rejects every call.
          "type": "none",
          "sources!": ["<@(_sources)"],
        }],
      ],
    },
  ],
  "conditions": [
    ["OS=='linux'", {
      "targets": [
        {
          # What `forksnap exec` preloads. Not an addon: it stands before the C library in every process of the command.
          "target_name": "forksnap_packed_heap",
          "type": "shared_library",
          "product_prefix": "",
          "sources": ["native/packed_heap/preload.cc", "native/packed_heap/region.cc"],
          "cflags_cc": ["-std=gnu++20", "-fvisibility=hidden", "-fno-threadsafe-statics", "-Wall", "-Wextra", "-ffile-prefix-map=<(module_root_dir)=."],
          # It must load into programs that have no C++ library.
          "ldflags": ["-Wl,-z,now", "-Wl,--as-needed", "-static-libgcc"],
        },
      ],
    }],
    ["OS!='win' and has_test_helper==1", {
      "targets": [
        {
          "target_name": "forksnap_test_helper",
          "sources": ["<(test_helper).cc"],
          "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
          "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS"],
          "cflags!": ["-fno-exceptions"],
          "cflags_cc!": ["-fno-exceptions"],
          "cflags_cc": ["-fexceptions", "-Wall", "-Wextra", "-Wno-unused-parameter"],
          "xcode_settings": {
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "CLANG_CXX_LIBRARY": "libc++",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
          },
        },
      ],
    }],
  ],
}
