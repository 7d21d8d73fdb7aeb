//! `CartPole-v1`: a pole hinged on a cart that is pushed left or right (Barto, Sutton and Anderson 1983), with the
//! constants, the explicit Euler step and the bounds that Gymnasium publishes.

const GRAVITY: f64 = 9.8;
const MASS_POLE: f64 = 0.1;
const MASS_TOTAL: f64 = 1.1;
const HALF_LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = MASS_POLE * HALF_LENGTH;
const FORCE: f64 = 10.0;
const SECONDS_A_STEP: f64 = 0.02;
const POSITION_MAX: f64 = 2.4;
const ANGLE_MAX: f64 = 12.0 * std::f64::consts::PI / 180.0;

/// Every number of a state begins in [−0.05, 0.05).
pub const START_SPREAD: f64 = 0.05;

/// Where cart and pole are and how they move: metres, metres a second, radians, radians a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CartPole {
    /// Position, velocity, angle, angular velocity.
    pub state: [f64; 4],
}

impl CartPole {
    /// Pushes the cart (to the right, or to the left) and says whether the pole has fallen or the cart has left. Each
    /// step is worth 1, the last one too.
    pub fn push(&mut self, right: bool) -> bool {
        let [position, velocity, angle, spin] = self.state;
        let force = if right { FORCE } else { -FORCE };
        let (sine, cosine) = angle.sin_cos();
        let pushed = (force + POLE_MASS_LENGTH * spin * spin * sine) / MASS_TOTAL;
        let spin_change =
            (GRAVITY * sine - cosine * pushed) / (HALF_LENGTH * (4.0 / 3.0 - MASS_POLE * cosine * cosine / MASS_TOTAL));
        let velocity_change = pushed - POLE_MASS_LENGTH * spin_change * cosine / MASS_TOTAL;
        self.state = [
            position + SECONDS_A_STEP * velocity,
            velocity + SECONDS_A_STEP * velocity_change,
            angle + SECONDS_A_STEP * spin,
            spin + SECONDS_A_STEP * spin_change,
        ];
        self.state[0].abs() > POSITION_MAX || self.state[2].abs() > ANGLE_MAX
    }
}
