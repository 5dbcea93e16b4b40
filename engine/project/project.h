// SPDX-License-Identifier: GPL-3.0-or-later
//
// A project folder: project.json, plans/, runs/<id>/, models/<name>/ (public checkpoints that were
// completed), private/ (0700). Held by one program at a time.

#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/io/json.h"

namespace velamen::project {

/// What the pages remember. Paths are stored relative to the project where they lie inside it.
struct Settings {
    std::string name;
    std::filesystem::path source;        ///< private folder or zip
    std::filesystem::path checkpoint;    ///< base checkpoint
    io::Json draft = io::Json::object(); ///< the plan being edited
};

/// One thread; locked while it lives.
class Project {
public:
    /// Creates folder, project.json and private/; Refused when the folder holds something else.
    static Result<std::unique_ptr<Project>> create(const std::filesystem::path& folder,
                                                   const std::string& name);
    /// Busy when it is open in another program; Corrupt / Unsupported (newer schema) by name.
    static Result<std::unique_ptr<Project>> open(const std::filesystem::path& folder);
    ~Project();

    const std::filesystem::path& folder() const;
    std::filesystem::path private_folder() const;
    const Settings& settings() const;
    /// Saves at once, atomically (autosave on every change).
    Result<> save(const Settings& settings);

    /// A new run folder runs/<id>, id = 0001, 0002, ...
    Result<std::filesystem::path> new_run();
    /// Run folders in order.
    std::vector<std::filesystem::path> runs() const;

private:
    struct State;
    explicit Project(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Folders opened lately, newest first, from $XDG_DATA_HOME/velamen/recent.json; missing ones left
/// out.
std::vector<std::filesystem::path> recent_projects();
void remember_project(const std::filesystem::path& folder);

} // namespace velamen::project
