//! Games of two that everybody knows by name.

use super::NormalForm;

/// A game of two in normal form in which both have the same actions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classic {
    /// Its name.
    pub name: &'static str,
    /// Names of both players' actions.
    pub actions: &'static [&'static str],
    /// The row player's payoffs, row by row.
    pub rows: &'static [f64],
    /// The column player's, row by row.
    pub columns: &'static [f64],
}

/// All of them, in the order of the alphabet.
pub const CLASSICS: [Classic; 7] = [
    Classic {
        name: "battle_of_the_sexes",
        actions: &["opera", "football"],
        rows: &[3.0, 0.0, 0.0, 2.0],
        columns: &[2.0, 0.0, 0.0, 3.0],
    },
    Classic {
        name: "chicken",
        actions: &["swerve", "straight"],
        rows: &[0.0, -1.0, 1.0, -10.0],
        columns: &[0.0, 1.0, -1.0, -10.0],
    },
    Classic {
        name: "coordination",
        actions: &["left", "right"],
        rows: &[1.0, 0.0, 0.0, 1.0],
        columns: &[1.0, 0.0, 0.0, 1.0],
    },
    Classic {
        name: "matching_pennies",
        actions: &["heads", "tails"],
        rows: &[1.0, -1.0, -1.0, 1.0],
        columns: &[-1.0, 1.0, 1.0, -1.0],
    },
    Classic {
        name: "prisoners_dilemma",
        actions: &["cooperate", "defect"],
        rows: &[3.0, 0.0, 5.0, 1.0],
        columns: &[3.0, 5.0, 0.0, 1.0],
    },
    Classic {
        name: "rock_paper_scissors",
        actions: &["rock", "paper", "scissors"],
        rows: &[0.0, -1.0, 1.0, 1.0, 0.0, -1.0, -1.0, 1.0, 0.0],
        columns: &[0.0, 1.0, -1.0, -1.0, 0.0, 1.0, 1.0, -1.0, 0.0],
    },
    Classic {
        name: "stag_hunt",
        actions: &["stag", "hare"],
        rows: &[4.0, 0.0, 3.0, 3.0],
        columns: &[4.0, 3.0, 0.0, 3.0],
    },
];

impl Classic {
    /// The game of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: [Classic; CLASSICS.len()] = CLASSICS;
        ALL.iter().find(|classic| classic.name == name)
    }

    /// As a game.
    ///
    /// # Panics
    /// Never: all of them are sound, which a test holds.
    #[must_use]
    pub fn game(&self) -> NormalForm {
        let count = self.actions.len();
        NormalForm::new(vec![count, count], vec![self.rows.to_vec(), self.columns.to_vec()]).expect("a sound game")
    }
}

#[cfg(test)]
mod tests {
    use super::{CLASSICS, Classic};

    /// Pure equilibria as textbooks have them, as profile numbers.
    #[test]
    fn each_has_its_known_equilibria() {
        let known: [(&str, &[usize]); 7] = [
            ("battle_of_the_sexes", &[0, 3]),
            ("chicken", &[1, 2]),
            ("coordination", &[0, 3]),
            ("matching_pennies", &[]),
            ("prisoners_dilemma", &[3]),
            ("rock_paper_scissors", &[]),
            ("stag_hunt", &[0, 3]),
        ];
        assert_eq!(known.map(|(name, _)| name), CLASSICS.map(|classic| classic.name));
        for (name, equilibria) in known {
            let game = Classic::named(name).expect("known").game();
            assert_eq!(game.pure_equilibria(), equilibria, "{name}");
        }
    }
}
