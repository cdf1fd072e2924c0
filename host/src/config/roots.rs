//! Where settings are looked for, in which order, and which project directories are not trusted at all.
//!
//! The environment is not read here: `app.rs` says which directories the user's are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The directories that settings are read from. The user's come before the project's, and the first that defines
/// something wins, so that a user can overrule what a project brings along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// The user's own directories: runner's, then crcache's.
    pub user: Vec<PathBuf>,
    /// The project's `.runner`, then its `.crcache`. What stands there selects and limits; it never grants.
    pub project: Vec<PathBuf>,
    /// Where installed plugins lie, as `NAME.wasm`: another file of a source's plugin is a change of the source.
    pub plugins: Option<PathBuf>,
    /// Project directories that were found and left out, with the reason.
    pub ignored: Vec<Ignored>,
}

/// A project directory that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The directory.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Whose word a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Built in.
    Default,
    /// The user's own directories, or the command line.
    User,
    /// A project's directory: it may select and limit, never grant.
    Project,
}

/// The names of a project's directory, in their order.
const PROJECT_FOLDERS: [&str; 2] = [".runner", ".crcache"];

impl Roots {
    /// The user's two directories, and those of the project that `cwd` is in: the first directory upwards that
    /// holds `.runner` or `.crcache`.
    ///
    /// A project directory counts only if it belongs to the user, to root, or to whoever owns `cwd`. Without that
    /// rule anybody who may create `/tmp/.runner` would choose the settings of everybody who works below `/tmp`.
    pub fn find(user_dir: PathBuf, crcache_user_dir: PathBuf, cwd: &Path) -> Self {
        let mut roots = Self {
            user: vec![user_dir, crcache_user_dir],
            ..Self::default()
        };
        let mut trusted = vec![0, rustix::process::geteuid().as_raw()];
        trusted.extend(cwd.metadata().map(|metadata| metadata.uid()));
        for directory in cwd.ancestors() {
            for name in PROJECT_FOLDERS {
                let path = directory.join(name);
                // The user's own directory may well be called like that.
                if roots.user.contains(&path) {
                    continue;
                }
                match path.metadata() {
                    Ok(metadata) if !metadata.is_dir() => {}
                    Ok(metadata) if trusted.contains(&metadata.uid()) => roots.project.push(path),
                    Ok(metadata) => roots.ignored.push(Ignored {
                        path,
                        reason: format!(
                            "it belongs to user {}, who owns neither this process nor the current directory",
                            metadata.uid()
                        ),
                    }),
                    Err(_) => {}
                }
            }
            if !roots.project.is_empty() {
                break;
            }
        }
        roots
    }

    /// Every directory in the order of precedence.
    pub fn in_order(&self) -> impl Iterator<Item = (&Path, Origin)> {
        let user = self.user.iter().map(|path| (path.as_path(), Origin::User));
        let project = self
            .project
            .iter()
            .map(|path| (path.as_path(), Origin::Project));
        user.chain(project)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn find(home: &Path, cwd: &Path) -> Roots {
        Roots::find(home.join("runner"), home.join("crcache"), cwd)
    }

    #[test]
    fn the_first_directory_upwards_that_has_one_is_the_project() {
        let temp = tempfile::tempdir().unwrap();
        let (home, project) = (temp.path().join("home"), temp.path().join("p"));
        let deep = project.join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(find(&home, &deep).project, Vec::<PathBuf>::new());

        fs::create_dir(project.join(".crcache")).unwrap();
        assert_eq!(find(&home, &deep).project, [project.join(".crcache")]);

        fs::create_dir(project.join(".runner")).unwrap();
        let both = [project.join(".runner"), project.join(".crcache")];
        assert_eq!(find(&home, &deep).project, both);

        // A nearer one hides the farther ones whole.
        fs::create_dir(project.join("a/.crcache")).unwrap();
        assert_eq!(find(&home, &deep).project, [project.join("a/.crcache")]);
        assert_eq!(
            find(&home, &deep).user,
            [home.join("runner"), home.join("crcache")]
        );
    }

    #[test]
    fn a_file_of_that_name_is_no_project_and_the_users_directory_is_not_one_either() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join(".runner"), "").unwrap();
        assert_eq!(
            find(temp.path(), temp.path()).project,
            Vec::<PathBuf>::new()
        );
        fs::create_dir(temp.path().join(".crcache")).unwrap();
        let roots = Roots::find("/u".into(), temp.path().join(".crcache"), temp.path());
        assert_eq!(roots.project, Vec::<PathBuf>::new());
    }

    #[test]
    fn order_is_user_before_project() {
        let roots = Roots {
            user: vec!["/u/runner".into(), "/u/crcache".into()],
            plugins: None,
            project: vec!["/p/.runner".into(), "/p/.crcache".into()],
            ignored: Vec::new(),
        };
        let order: Vec<_> = roots
            .in_order()
            .map(|(path, origin)| (path.to_owned(), origin))
            .collect();
        assert_eq!(order[0], ("/u/runner".into(), Origin::User));
        assert_eq!(order[3], ("/p/.crcache".into(), Origin::Project));
        assert_eq!(order.len(), 4);
    }

    #[test]
    fn a_strangers_directory_is_left_out_and_named() {
        // Only root can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let mine = temp.path().join("mine");
        fs::create_dir(&mine).unwrap();
        let stranger = temp.path().join(".runner");
        fs::create_dir(&stranger).unwrap();
        std::os::unix::fs::chown(&stranger, Some(12345), None).unwrap();
        let roots = find(temp.path(), &mine);
        assert_eq!(roots.project, Vec::<PathBuf>::new());
        assert_eq!(roots.ignored[0].path, stranger);
        // In the stranger's own directory the user chose to trust them.
        std::os::unix::fs::chown(&mine, Some(12345), None).unwrap();
        assert_eq!(find(temp.path(), &mine).project, [stranger]);
    }
}
