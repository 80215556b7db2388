//! Verification keys, each bound to one algorithm. A token's header must only select among keys configured for exactly
//! its algorithm, so that a public key can't be used as an HMAC secret (RFC 8725 section 3.1).

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, decode_header};

use crate::{
    config::{Auth, ConfigError, PublicKey, PublicKeyAlgorithm, Secret},
    limits,
};

/// A key and the rules for tokens signed with it, prepared once.
pub(super) struct VerificationKey {
    pub(super) key: DecodingKey,
    pub(super) rules: Validation,
}

/// The keys whose tokens are accepted. Key sets that change at run time (JWKS) would be a third field, selected by
/// `kid`.
pub struct VerificationKeys {
    /// The secret with which this server, and perhaps another issuer that shares it, signs.
    shared: VerificationKey,
    /// An identity provider's key.
    public: Option<VerificationKey>,
}

impl VerificationKeys {
    /// The keys of a configuration.
    pub fn new(auth: &Auth, secret: &Secret) -> Result<VerificationKeys, ConfigError> {
        let shared = VerificationKey {
            key: DecodingKey::from_secret(secret.expose().as_bytes()),
            rules: rules(Algorithm::HS256, auth),
        };
        let public = auth.public_key.as_ref().map(|public| public_key(public, auth)).transpose()?;
        Ok(VerificationKeys { shared, public })
    }

    /// The key for this token's algorithm. Defaults to the shared secret, which then rejects the token. The header is
    /// decoded separately only if there is a choice.
    pub(super) fn select(&self, token: &str) -> &VerificationKey {
        match &self.public {
            Some(public) if decode_header(token).is_ok_and(|header| public.rules.algorithms.contains(&header.alg)) => {
                public
            }
            Some(_) | None => &self.shared,
        }
    }
}

/// The key that signs this server's tokens.
pub(super) fn signing_key(secret: &Secret) -> EncodingKey {
    EncodingKey::from_secret(secret.expose().as_bytes())
}

fn public_key(public: &PublicKey, auth: &Auth) -> Result<VerificationKey, ConfigError> {
    let (algorithm, key) = match public.algorithm {
        PublicKeyAlgorithm::Rs256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(&public.pem)),
        PublicKeyAlgorithm::Es256 => (Algorithm::ES256, DecodingKey::from_ec_pem(&public.pem)),
        PublicKeyAlgorithm::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_pem(&public.pem)),
    };
    let key = key.map_err(|_| public.unfit())?;
    Ok(VerificationKey { key, rules: rules(algorithm, auth) })
}

fn rules(algorithm: Algorithm, auth: &Auth) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.leeway = limits::TOKEN_LEEWAY_SECONDS;
    rules.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = &auth.issuer {
        rules.set_issuer(&[issuer]);
        required.push("iss");
    }
    match &auth.audience {
        Some(audience) => {
            rules.set_audience(&[audience]);
            required.push("aud");
        }
        // Without a configured audience there is no value to compare with.
        None => rules.validate_aud = false,
    }
    rules.set_required_spec_claims(&required);
    rules
}
